"""examples/relay.py, between plain sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from conftest import TWINS
from example_programs import PATIENCE, Program, ended, read, send_until_stuck
from peers.servers import free_port

MOST = 64 << 20  # bytes that no system's buffers take


class Relayed:
    """The server elsewhere, and the relay to it."""

    def __init__(self, twin: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", free_port()))  # by its number, which then stays its own
        self.listener.settimeout(PATIENCE)
        self.relay = Program(twin, "relay.py", "127.0.0.1", 0, *self.listener.getsockname())

    @contextmanager
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Connect; the first word is there and back."""
        with self.relay.connect() as near, self.listener.accept()[0] as far:
            far.settimeout(PATIENCE)
            near.sendall(b"ping")
            assert read(far, 4) == b"ping"
            far.sendall(b"pong")
            assert read(near, 4) == b"pong"
            yield near, far


@pytest.fixture(scope="module", params=TWINS)
def relayed(request: pytest.FixtureRequest) -> Iterator[Relayed]:
    relayed = Relayed(request.param)
    with relayed.relay:
        yield relayed
    relayed.listener.close()


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_who_has_ended_its_half_is_still_answered(relayed: Relayed) -> None:
    with relayed.pair() as (near, far):
        near.sendall(b"question")
        near.shutdown(socket.SHUT_WR)
        assert read(far, 100) == b"question"
        far.sendall(b"answer")
        far.close()
        assert read(near, 100) == b"answer"
    with relayed.pair() as (near, far):
        far.shutdown(socket.SHUT_WR)
        assert ended(near)
        near.sendall(b"and yet")
        near.close()
        assert read(far, 100) == b"and yet"


@pytest.mark.parametrize("downwards", [True, False])
def test_where_one_side_takes_nothing_the_other_is_read_no_more_and_nothing_is_lost(
    relayed: Relayed, downwards: bool
) -> None:
    with relayed.pair() as (near, far), relayed.pair() as (neighbour, other):
        source, sink = (far, near) if downwards else (near, far)
        data = bytes(range(251)) * 400
        sent = send_until_stuck(source, data, MOST)
        assert sent < MOST
        neighbour.sendall(b"quick")
        assert read(other, 5) == b"quick"
        source.shutdown(socket.SHUT_WR)
        assert read(sink, sent + 1) == (data * (sent // len(data) + 1))[:sent]


def test_a_reset_is_passed_on_as_one(relayed: Relayed) -> None:
    for which in (0, 1):
        with relayed.pair() as sides:
            reset(sides[which])
            with pytest.raises(ConnectionResetError):
                sides[1 - which].recv(1)


def test_where_nobody_listens_who_comes_is_ended_with_one_line(relayed: Relayed) -> None:
    with relayed.pair() as (near, far):
        relayed.listener.shutdown(socket.SHUT_RDWR)
        with suppress(ConnectionResetError), relayed.relay.connect() as sock:  # it may be while it still connects
            assert ended(sock)
        assert "Connection refused" in relayed.relay.complains()
        relayed.listener.listen()
        near.sendall(b"undisturbed")
        assert read(far, 11) == b"undisturbed"


def test_on_sigterm_who_is_here_may_finish(relayed: Relayed) -> None:
    with relayed.pair() as (near, far):
        relayed.relay.drain()
        near.sendall(b"x" * 1_000_000)
        near.close()
        assert len(read(far, 1_000_001)) == 1_000_000
        far.close()
        assert relayed.relay.stop(None) == ("", "")
