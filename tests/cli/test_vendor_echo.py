"""The echo that a fresh copy has to pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reactor.cli import vendor_echo, vendor_source


def tried(folder: Path) -> str:
    """Return what the script complains of in its last line."""
    command = [sys.executable, "-I", vendor_echo.__file__, str(folder)]
    environment = {**os.environ, "REACTOR_EXTENSION": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.stderr.strip().rpartition("\n")[2]


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name, data in vendor_source.files("core", False).items():
        (tmp_path / "rx" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rx" / name).write_bytes(data)
    return tmp_path / "rx"


def test_a_copy_passes(copy: Path) -> None:
    assert tried(copy) == ""


def test_a_copy_that_lacks_a_file_fails(copy: Path) -> None:
    (copy / "loop/timers.py").unlink()
    assert tried(copy) == "ModuleNotFoundError: No module named 'rx.loop.timers'"


def test_a_copy_that_imports_reactor_by_name_fails(copy: Path) -> None:
    append(copy / "errors.py", "import reactor.errors\n")
    assert tried(copy) == "ModuleNotFoundError: reactor is imported, which is not the copy"


def test_a_copy_that_echoes_something_else_fails(copy: Path) -> None:
    append(copy / "__init__.py", "from .framing import Framing\nFraming.encode = lambda self, body: b'\\0\\0\\0\\1x'\n")
    assert tried(copy) == "b'x' came back in place of b'one frame'"
