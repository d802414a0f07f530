"""A bridge alone: what of asyncio's buffer counts as sent, and what a connection is told of ends."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from reactor.aio.bridge import Bridge, BridgeSelector


class Scripted:
    """asyncio's transport, of which the test says how much it has still."""

    def __init__(self) -> None:
        self.written = b""
        self.still = 0
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.still

    def is_closing(self) -> bool:
        return self.is_closed

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        pass


@pytest.fixture
def theirs() -> Scripted:
    return Scripted()


@pytest.fixture
def bridge(twin: Any, theirs: Scripted) -> Bridge:
    later: Any = None
    return Bridge(theirs, BridgeSelector(lambda: None), later, None)


def test_what_leaves_asyncios_buffer_at_once_is_sent(theirs: Scripted, bridge: Bridge) -> None:
    assert bridge.send(b"hello") == 5
    assert theirs.written == b"hello"


def test_at_most_64_kib_are_given_at_a_time(theirs: Scripted, bridge: Bridge) -> None:
    assert bridge.send(bytes(200_000)) == 65536
    assert bridge.sendmsg([bytes(60_000), bytes(60_000)]) == 65536
    assert len(theirs.written) == 2 * 65536


def test_what_asyncio_still_has_is_sent_bit_by_bit_and_given_once(theirs: Scripted, bridge: Bridge) -> None:
    bridge.room(full=True)
    theirs.still = 10
    with pytest.raises(BlockingIOError):
        bridge.send(b"0123456789")
    theirs.still = 4
    assert bridge.send(b"0123456789") == 6
    bridge.room(full=False)
    theirs.still = 0
    assert bridge.send(b"6789") == 4
    assert theirs.written == b"0123456789"


def test_a_transport_that_asyncio_has_given_up_takes_nothing(theirs: Scripted, bridge: Bridge) -> None:
    theirs.is_closed = True
    with pytest.raises(BrokenPipeError):
        bridge.send(b"x")
    assert theirs.written == b""


def test_the_end_is_read_as_from_a_socket(bridge: Bridge) -> None:
    with pytest.raises(BlockingIOError):
        bridge.recv_into(bytearray(1))
    bridge.end()
    assert bridge.recv_into(bytearray(1)) == 0


def test_a_failure_is_told_once_and_then_the_end(bridge: Bridge) -> None:
    bridge.end(ConnectionResetError(errno.ECONNRESET, "reset"))
    with pytest.raises(ConnectionResetError):
        bridge.recv_into(bytearray(1))
    assert bridge.recv_into(bytearray(1)) == 0
