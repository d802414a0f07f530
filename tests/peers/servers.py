"""Real servers, each in a directory and on a port of its own, that stop with the test that started them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_GRACE = 20.0  # seconds for a server to stop before it is killed


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def program(name: str, where: str = "/usr/sbin") -> str | None:
    """Find a program on PATH, or where Debian puts it; of several versions, the one that sorts last."""
    beside = sorted(map(str, Path("/").glob(f"{where[1:]}/{name}")))
    return shutil.which(name) or (beside[-1] if beside else None)


@contextmanager
def directory_of(user: str | None) -> Iterator[Path]:
    """Make a directory that this user may write to, for a server that doesn't run as root."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # not pytest's own: that is closed to others
        if user is not None:
            shutil.chown(name, user)
        yield Path(name)


@contextmanager
def running(command: list[str], ready: str | None, user: str | None = None) -> Iterator[None]:
    """Run a server until the end of `with`, which begins when its log says `ready`; None where it says nothing."""
    quiet, log = subprocess.DEVNULL, subprocess.PIPE
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=log, cwd="/", **identity(user))
    try:
        if ready is not None:
            said = _until(process, ready)
            assert ready in said, f"{command[0]} ended: {said}"
        yield
    finally:
        _stop(process)


def _until(process: subprocess.Popen[bytes], ready: str) -> str:
    """Read its log up to the line that says `ready`, or to its end."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line.decode(errors="replace")
        if ready in said:
            break
    return said


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's word for "now": on SIGTERM it waits for its clients
    try:
        process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def unprivileged(user: str) -> str | None:
    """Return whom a server is to run as: itself where we are root, which many servers refuse to be."""
    return user if os.geteuid() == 0 else None


def identity(user: str | None) -> dict[str, Any]:
    """Return what Popen is told to run as somebody."""
    return {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
