"""Examples in processes of their own, and plain sockets that talk to them."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PATIENCE = 60.0  # seconds for what doesn't come to fail the test


def environ_of(twin: str) -> dict[str, str]:
    """Return the environment in which an example runs over one twin."""
    where = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return {**os.environ, **where, "REACTOR_EXTENSION": "1" if twin == "c" else "0"}


def run(twin: str, name: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, args)]
    return subprocess.run(
        command, env=environ_of(twin), capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE
    )


class Program:
    """An example that serves, from its first line on: a context manager, behind which it doesn't live on.

    Tests of a module share one, and the last of them stops it.
    """

    def __init__(self, twin: str, name: str, *args: object) -> None:
        self.twin = twin
        command, pipe = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, args)], subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=environ_of(twin), stdout=pipe, stderr=pipe, text=True, encoding="utf-8"
        )
        first = self.says()
        assert first.startswith("listening on "), first + self.complains()
        host, _, port = first.removeprefix("listening on ").rpartition(":")
        self.address = host, int(port)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE)

    def says(self) -> str:
        """Return the next line of its stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def complains(self) -> str:
        """Return the next line of its stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().rstrip("\n")

    def drain(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to end, and wait until it listens no more: to try would make it see somebody come."""
        self.process.send_signal(signum)
        while self._listens():
            pass

    def _listens(self) -> bool:
        entry, listening = f":{self.address[1]:04X}", "0A"
        rows = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
        return any(row[1].endswith(entry) and row[3] == listening for row in rows)

    def stop(self, signum: signal.Signals | None = signal.SIGTERM) -> tuple[str, str]:
        """Tell it to end, unless it has been told, and wait for a good end. Return what it has said meanwhile."""
        if signum is not None:
            self.process.send_signal(signum)
        said = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, said
        return said


def frame(body: bytes, size: int = 4) -> bytes:
    return len(body).to_bytes(size, "big") + body


def read(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes, fewer where the stream ends before."""
    data = b""
    while len(data) < count and (more := sock.recv(count - len(data))):
        data += more
    return data


def read_message(sock: socket.socket, size: int = 4) -> bytes:
    return read(sock, int.from_bytes(read(sock, size), "big"))


def ended(sock: socket.socket) -> bool:
    """Tell whether the other side has ended it, in good order or not."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def send_until_stuck(sock: socket.socket, data: bytes, most: int) -> int:
    """Send the same again and again until nobody takes it, or so many bytes are sent; return how many were."""
    sent, stuck = 0, False
    sock.setblocking(False)
    while sent < most and not stuck:
        try:
            sent += sock.send(data[sent % len(data) :])
        except BlockingIOError:
            stuck = not select.select([], [sock], [], 0.3)[1]
    sock.settimeout(PATIENCE)
    return sent
