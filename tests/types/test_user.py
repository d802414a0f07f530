"""Users' programs pass type checkers as strict as they come, without an ignore, and nothing in them is unknown.

pyright brings a node of its own from the network, so it is run by hand: `pip install pyright`, and
`pyright tests/types/streams.py tests/types/datagrams.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import reactor

pytest.importorskip("mypy", reason="mypy is in the extra `lint`")

PROGRAMS = [Path(__file__).with_name(name) for name in ("streams.py", "datagrams.py")]
WITH_OTHERS = ("redis_client.py", "key_value_client.py")  # what they import needn't be there, or is beside them
EXAMPLES = [each for each in Path(reactor.__file__).parents[1].glob("examples/*.py") if each.name not in WITH_OTHERS]


def checked(tmp_path: Path, *paths: Path) -> str:
    """Return what mypy says of files, beside the package that is tested."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), *map(str, paths)]
    done = subprocess.run(command, cwd=Path(reactor.__file__).parents[1], capture_output=True, text=True, timeout=110)
    return done.stdout


def test_every_door_is_typed(tmp_path: Path) -> None:
    assert not any("ignore" in each.read_text() for each in PROGRAMS + EXAMPLES)
    found = checked(tmp_path, *PROGRAMS, *EXAMPLES)
    assert found == f"Success: no issues found in {len(PROGRAMS + EXAMPLES)} source files\n"


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import reactor\n"
        "reactor.Rector()\n"
        "reactor.Reactor().listen_tcp(reactor.Protocol, '::', '9000')\n"
        "class P(reactor.Protocol):\n"
        "    def data_received(self, data: str) -> None: ...\n"
    )
    said = checked(tmp_path, wrong)
    assert 'wrong.py:2: error: Module has no attribute "Rector"' in said
    assert 'wrong.py:3: error: Argument 3 to "listen_tcp"' in said
    assert 'wrong.py:5: error: Argument 1 of "data_received"' in said
