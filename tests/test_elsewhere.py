"""Systems that lack what Linux has: what is missing is hidden from a process of its own, which then does its work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_PATIENCE = 60.0  # seconds

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def runner(system: str, home: Path) -> Run:
    """Return what runs Python with arguments on a system of `systems.py`; whatever that starts lives there, too."""
    (home / "sitecustomize.py").write_text(f"import systems\nsystems.{system}()\n")
    path = os.pathsep.join(map(str, (home, _TESTS, _TESTS.parent)))

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        everything = {**os.environ, "PYTHONPATH": path, **environment}
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=everything, capture_output=True, text=True, timeout=_PATIENCE)

    return run


def came_back(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


# --- behind gevent or eventlet


@pytest.fixture
def without_epoll(tmp_path: Path) -> Run:
    return runner("without_epoll", tmp_path)


@pytest.mark.parametrize("extension", ["0", ""], ids=["pure", "as installed"])
@pytest.mark.parametrize("use", ["framed", "raw"])
def test_where_epoll_is_taken_away_what_is_left_carries_all(without_epoll: Run, use: str, extension: str) -> None:
    came_back(without_epoll(str(_TESTS / "uses.py"), use, REACTOR_EXTENSION=extension))
