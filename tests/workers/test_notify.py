"""Notify: what systemd hears, and what it hands over."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from reactor.workers.notify import Notify, handed_over

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("abstract", [False, True])
def test_words_come_in_one_datagram(environ: pytest.MonkeyPatch, tmp_path: Path, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"reactor-{os.getpid()}-{id(manager)}"
        manager.bind("\0" + name if abstract else str(tmp_path / "s"))
        environ.setenv("NOTIFY_SOCKET", "@" + name if abstract else str(tmp_path / "s"))
        Notify().tell("READY=1", "STATUS=2 workers")
        assert manager.recv(100) == b"READY=1\nSTATUS=2 workers"
    assert "NOTIFY_SOCKET" not in os.environ


def test_nobody_is_told_where_nobody_listens(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Notify().tell("READY=1")
    environ.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notify().tell("READY=1")


@pytest.mark.parametrize(
    ("pid", "micros", "seconds"),
    [("", "2000000", 2.0), ("ours", "500000", 0.5), ("1", "2000000", None), ("", "", None), ("", "0", None)],
)
def test_the_watchdog_is_this_processs_or_nobodys(
    environ: pytest.MonkeyPatch, pid: str, micros: str, seconds: float | None
) -> None:
    environ.setenv("WATCHDOG_PID", pid.replace("ours", str(os.getpid())))
    environ.setenv("WATCHDOG_USEC", micros)
    assert Notify().watchdog == seconds


@pytest.mark.parametrize(
    ("pid", "count", "fds"),
    [("ours", "2", [3, 4]), ("ours", "0", []), ("ours", "x", []), ("1", "2", []), ("", "2", []), ("", "", [])],
)
def test_sockets_are_handed_over_to_this_process_and_once(
    environ: pytest.MonkeyPatch, pid: str, count: str, fds: list[int]
) -> None:
    environ.setenv("LISTEN_PID", pid.replace("ours", str(os.getpid())))
    environ.setenv("LISTEN_FDS", count)
    environ.setenv("LISTEN_FDNAMES", "a:b")
    assert handed_over() == fds
    assert handed_over() == []
    assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & set(os.environ)
