"""Commands as people run them: processes with two pipes, each waited for."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

PATIENCE = 60  # seconds until a process that never ends fails the test
COMMAND = [sys.executable, "-W", "error", "-m", "reactor"]


class Ended(NamedTuple):
    status: int
    out: list[str]
    err: list[str]


class Running:
    """A command that has not been waited for."""

    def __init__(self, *args: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*COMMAND, *args], stdout=pipe, stderr=pipe, text=True, encoding="utf-8")

    def first_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def wait(self) -> Ended:
        out, err = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, out.splitlines(), err.splitlines())

    def stop(self, signum: int = signal.SIGTERM) -> Ended:
        self.process.send_signal(signum)
        return self.wait()

    def discard(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate(timeout=PATIENCE)


class EchoServer(Running):
    """An `echo` that is listening."""

    def __init__(self, *options: str) -> None:
        super().__init__("echo", "127.0.0.1:0", *options)
        self.address = self.first_line().removeprefix("echo: listening on ")

    def dial(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)


@pytest.fixture
def started() -> Iterator[list[Running]]:
    """Commands that end with the test at the latest."""
    started: list[Running] = []
    yield started
    for each in started:
        each.discard()


@pytest.fixture
def start(started: list[Running]) -> Callable[..., Running]:
    """Start `python -m reactor` with some arguments."""

    def start(*args: str) -> Running:
        started.append(Running(*args))
        return started[-1]

    return start


@pytest.fixture
def run(start: Callable[..., Running]) -> Callable[..., Ended]:
    """Run `python -m reactor` with some arguments to its end."""
    return lambda *args: start(*args).wait()


@pytest.fixture
def serve(started: list[Running]) -> Callable[..., EchoServer]:
    """Start an echo server with some options."""

    def serve(*options: str) -> EchoServer:
        server = EchoServer(*options)
        started.append(server)
        return server

    return serve


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket: a peer that the test plays by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


@pytest.fixture
def listener_address(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"
