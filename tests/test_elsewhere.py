"""Systems that lack what Linux has: what is missing is hidden from a process of its own, which then does its work."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trustme
from peers.conftest import missing

_TESTS = Path(__file__).parent
_USES = str(_TESTS / "uses.py")
_CROWDED = "select() takes 512 sockets on Windows, and has them: a lower max_connections keeps room for others"
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


@pytest.fixture
def certificates(tmp_path: Path) -> list[str]:
    """Files of an authority, and of what it says of localhost."""
    authority, files = trustme.CA(), [tmp_path / "ca.pem", tmp_path / "chain.pem"]
    authority.cert_pem.write_to_path(files[0])
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(files[1])
    return [str(each) for each in files]


# --- behind gevent or eventlet


both_twins = pytest.mark.parametrize("extension", ["0", ""], ids=["pure", "as installed"])


@pytest.fixture
def without_epoll(tmp_path: Path) -> Run:
    return runner("without_epoll", tmp_path)


@both_twins
@pytest.mark.parametrize("use", ["framed", "raw", "datagrams"])
def test_where_epoll_is_taken_away_what_is_left_carries_all(without_epoll: Run, use: str, extension: str) -> None:
    came_back(without_epoll(_USES, use, REACTOR_EXTENSION=extension))


@pytest.fixture(params=["gevent", "eventlet"])
def patched(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Where the standard library's sockets are patched to be something else."""
    if importlib.util.find_spec(request.param) is None:
        missing(f"{request.param} isn't installed: pip install {request.param} has it")
    return runner(request.param, tmp_path)


@both_twins
@pytest.mark.parametrize("use", ["framed", "raw", "last_words"])
def test_behind_patched_sockets_all_goes_its_way(patched: Run, use: str, extension: str) -> None:
    came_back(patched(_USES, use, REACTOR_EXTENSION=extension))


@both_twins
def test_behind_patched_sockets_tls_is_spoken(patched: Run, certificates: list[str], extension: str) -> None:
    came_back(patched(_USES, "tls", *certificates, REACTOR_EXTENSION=extension))


# --- Windows


@pytest.fixture
def windows(tmp_path: Path) -> Run:
    return partial(runner("windows", tmp_path), REACTOR_EXTENSION="0")


@pytest.mark.parametrize("use", ["framed", "raw", "datagrams"])
def test_windows_carries_frames_bytes_and_datagrams(windows: Run, use: str) -> None:
    came_back(windows(_USES, use))


def test_windows_carries_tls(windows: Run, certificates: list[str]) -> None:
    came_back(windows(_USES, "tls", *certificates))


def test_windows_tells_a_refused_connection(windows: Run) -> None:
    done = windows(_USES, "refused")
    assert (done.stdout, done.stderr) == ("['ConnectionRefusedError']\n", "")


def test_windows_says_that_it_has_no_unix_sockets_whoever_asks(windows: Run) -> None:
    done = windows(_USES, "unix")
    assert (done.stdout, done.stderr) == (2 * "this system has no Unix sockets, or Python doesn't know them\n", "")


def test_windows_says_that_no_port_is_shared(windows: Run) -> None:
    done = windows(_USES, "reuse_port")
    assert done.stderr == ""
    assert "this system has no SO_REUSEPORT" in done.stdout


def test_windows_tells_what_lies_unread(windows: Run) -> None:
    came_back(windows(_USES, "paused"))


def test_windows_refuses_the_socket_that_is_too_much_for_select_alone(windows: Run) -> None:
    done = windows(_USES, "crowd")
    added, came, watched = done.stdout.splitlines()
    assert (added, done.stderr) == (_CROWDED, "")
    assert _CROWDED in came
    assert came.endswith("True")
    assert watched == "511", "all but the loop's own"


def test_the_demo_runs_on_windows(windows: Run) -> None:
    done = windows("-m", "reactor", "demo", "--seconds", "1", "--connections", "5", "--limit", "100000")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "SelectSelector" in done.stdout


def test_bench_says_that_it_does_not_run_on_windows(windows: Run) -> None:
    done = windows("-m", "reactor", "bench")
    assert done.returncode == 1
    assert done.stderr == "bench: the servers are talked to over pipes, which can't be waited for on this system\n"


def test_the_memory_of_tests_works_on_windows(windows: Run) -> None:
    came_back(windows(_USES, "memory"))
