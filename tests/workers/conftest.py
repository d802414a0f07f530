"""Services: real masters with real workers, waited for by what they say and never by a time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from road.cast import frame

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds
APP = r"""
import atexit, os
from reactor import FramedProtocol

VERSION = 1

class Echo(FramedProtocol):
    def message_received(self, message):
        self.send(b"%d %d %b" % (VERSION, os.getpid(), message))

def setup(reactor, sockets):
    for sock in sockets:
        reactor.listen_tcp(Echo, None, 0, sock=sock)
    os.write(1, b"up %d\n" % os.getpid())
    atexit.register(os.write, 1, b"down %d\n" % os.getpid())
"""

Start = Callable[..., "Service"]


class Service:
    """A running `python -m reactor serve`, in a folder of its own, and what it says by its output and to systemd."""

    def __init__(self, folder: Path, *args: str, command: list[str] | None = None, **options: Any) -> None:
        self.folder = folder
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.settimeout(PATIENCE)
        path = folder / f"notify{id(self)}"
        self._manager.bind(str(path))
        path.chmod(0o666)
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(path), **options.pop("environ", {})}
        self._errors = open(folder / "stderr", "wb")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*(command or [sys.executable, "-m", "reactor", "serve", "app:setup"]), *args],
            **{"cwd": folder, "env": environ, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **options},
            stderr=self._errors,
        )
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self.lines: list[str] = []

    # --- what it says

    def line(self) -> str:
        """Return the next line of its output; "" when all of its processes are gone."""
        line = self._output.readline().decode().rstrip("\n")
        self.lines.append(line)
        return line

    def until(self, wanted: str) -> str:
        """Return the next line that begins so."""
        while not (line := self.line()).startswith(wanted):
            assert line, f"it ended without {wanted!r}: {self.errors()}"
        return line

    def up(self) -> int:
        """Return the number of the next worker that is set up."""
        return int(self.until("up ").split()[1])

    def gone(self) -> list[str]:
        """Return what is said until the last of its processes is gone."""
        said = []
        while line := self.line():
            said.append(line)
        return said

    def told(self, wanted: str) -> str:
        """Return the next word to systemd that begins so."""
        while not (word := self._manager.recv(4096).decode()).startswith(wanted):
            pass
        return word

    def errors(self) -> str:
        return (self.folder / "stderr").read_text()

    def stats(self) -> dict[str, Any]:
        self.signal(signal.SIGUSR1)
        return json.loads(self.until("{"))  # type: ignore[no-any-return]

    def workers(self) -> list[int]:
        """Return the numbers of those that aren't on their way out."""
        return [each["pid"] for each in self.stats()["workers"] if each["state"] != "ending"]

    def workers_by_lines(self) -> list[int]:
        """Return the numbers of all that have said so far that they are set up."""
        return [int(line.split()[1]) for line in self.lines if line.startswith("up ")]

    # --- what is done to it

    def ready(self) -> str:
        """Wait until it serves; return its first address."""
        self.told("READY=1")
        return self.until("serve: listening on ").split()[-1]

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for the master's end; return its status."""
        return self.process.wait(PATIENCE)

    def change(self, old: str, new: str) -> None:
        """Change the app's code."""
        path = self.folder / "app.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def close(self) -> None:
        """End all of it, whatever the test has left."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._output.read()  # the last worker has gone then
        self._output.close()
        self._errors.close()
        self._manager.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with an app; near the root, for the paths of Unix sockets are short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "app.py").write_text(APP)
        yield path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a service that doesn't outlive the test."""
    with ExitStack() as services:

        def started(*args: str, **options: Any) -> Service:
            service = Service(folder, *args, **options)
            services.callback(service.close)
            return service

        yield started


class Client:
    """A plain blocking client of the app's."""

    def __init__(self, address: str) -> None:
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(address[5:])
        else:
            host, _, port = address.rpartition(":")
            self.sock = socket.create_connection((host, int(port)), timeout=PATIENCE)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self) -> tuple[int, int, bytes]:
        """Return version, worker and text of one answer."""
        size = int.from_bytes(self._exactly(4), "big")
        version, pid, text = self._exactly(size).split(b" ", 2)
        return int(version), int(pid), text

    def ask(self, text: bytes = b"hello") -> tuple[int, int]:
        self.send(frame(text))
        version, pid, answer = self.answer()
        assert answer == text
        return version, pid

    def end(self) -> bytes:
        """Return what comes before the end; raises ConnectionResetError if that is a reset."""
        return b"".join(iter(lambda: self.sock.recv(4096), b""))

    def end_or_answer(self) -> bytes:
        """Return the text of the answer, or nothing if the connection ended in good order."""
        if not self.sock.recv(1, socket.MSG_PEEK):
            return b""
        return self.answer()[2]

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            assert more, "the connection ended without an answer"
            data += more
        return data

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def ask(address: str) -> tuple[int, int]:
    """Return version and worker of one answer, by a new connection."""
    with Client(address) as client:
        return client.ask()


def ask_all(address: str, workers: set[int]) -> None:
    """Come again and again until each of these workers has answered."""
    left = set(workers)
    while left:
        left.discard(ask(address)[1])
