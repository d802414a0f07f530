"""A user's program passes type checkers as strict as they come, without an ignore, and nothing in it is unknown.

pyright brings a node of its own from the network, so it is run by hand: `pip install pyright`, and
`pyright tests/types/user.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import reactor

pytest.importorskip("mypy", reason="mypy is in the extra `lint`")

USER = Path(__file__).parent / "user.py"


def checked(path: Path, tmp_path: Path) -> str:
    """Return what mypy says of a file, beside the package that is tested."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(path)]
    done = subprocess.run(command, cwd=Path(reactor.__file__).parents[1], capture_output=True, text=True, timeout=110)
    return done.stdout


def test_every_door_is_typed(tmp_path: Path) -> None:
    assert "ignore" not in USER.read_text()
    assert checked(USER, tmp_path) == "Success: no issues found in 1 source file\n"


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import reactor\n"
        "reactor.Rector()\n"
        "reactor.Reactor().listen_tcp(reactor.Protocol, '::', '9000')\n"
        "class P(reactor.Protocol):\n"
        "    def data_received(self, data: str) -> None: ...\n"
    )
    said = checked(wrong, tmp_path)
    assert 'wrong.py:2: error: Module has no attribute "Rector"' in said
    assert 'wrong.py:3: error: Argument 3 to "listen_tcp"' in said
    assert 'wrong.py:5: error: Argument 1 of "data_received"' in said
