"""The echo servers of bench: each echoes, keeps to its limit, tells its CPU time, and ends with its input."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from reactor import Framing
from reactor.cli.bench_servers import KINDS, kinds_here
from reactor.cli.options import framing_arguments

PATIENCE = 60  # seconds until a server that never ends fails the test
FRAMINGS = [Framing(max_frame_length=100_000), Framing.varint(max_frame_length=100_000)]


class Serving:
    """A server in a process of its own, as bench starts it."""

    def __init__(self, kind: str, framing: Framing) -> None:
        command = [sys.executable, "-m", "reactor", "bench", "--serve", kind, *framing_arguments(framing)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)
        self._port = self.number()

    def number(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def cpu(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        return self.number()

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)


@pytest.fixture
def serve() -> Iterator[Callable[[str, Framing], Serving]]:
    started: list[Serving] = []

    def serve(kind: str, framing: Framing) -> Serving:
        if kind not in kinds_here():
            pytest.skip(f"{kind} is not here")
        started.append(Serving(kind, framing))
        return started[-1]

    yield serve
    for each in started:
        each.process.kill()
        each.process.communicate(timeout=PATIENCE)


def read_exactly(sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        chunk = sock.recv(count - len(found))
        assert chunk, "the server closed the connection"
        found += chunk
    return found


@pytest.mark.parametrize("framing", FRAMINGS, ids=["fixed", "varint"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_echoes_and_tells_its_cpu_time_and_ends_with_its_input(
    kind: str, framing: Framing, serve: Callable[..., Serving]
) -> None:
    server = serve(kind, framing)
    frames = framing.encode_many([b"", b"x", bytes(100_000)])
    before = server.cpu()
    with server.dial() as client:
        client.sendall(frames)
        assert read_exactly(client, len(frames)) == frames
        assert server.cpu() > before > 0
        out, err = server.process.communicate(timeout=PATIENCE)  # which closes its input
    assert (server.process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_over_the_limit_ends_its_connection(kind: str, serve: Callable[..., Serving]) -> None:
    server = serve(kind, Framing(max_frame_length=3))
    with server.dial() as client, server.dial() as other:
        client.sendall(Framing().encode(b"abcd"))
        assert is_ended(client)
        frame = Framing().encode(b"abc")
        other.sendall(frame)
        assert read_exactly(other, len(frame)) == frame


def is_ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_reads_no_faster_than_it_is_read_from(kind: str, serve: Callable[..., Serving]) -> None:
    server = serve(kind, FRAMINGS[0])
    frame = FRAMINGS[0].encode(bytes(100_000))
    with server.dial() as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sendall(frame * 400)
