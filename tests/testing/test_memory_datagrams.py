"""Datagram sockets in memory behave as a kernel's, and no kinder."""

from __future__ import annotations

import pytest

from reactor.testing import memory_datagram_sockets


def test_datagrams_keep_their_bounds() -> None:
    one, other = memory_datagram_sockets()
    one.send(b"a")
    one.send(b"")
    buffer = memoryview(bytearray(10))
    assert other.recvmsg_into((buffer,))[0] == 1
    assert other.recvmsg_into((buffer,))[0] == 0
    with pytest.raises(BlockingIOError):
        other.recvmsg_into((buffer,))


def test_a_datagram_that_has_no_room_is_cut_and_marked() -> None:
    one, other = memory_datagram_sockets()
    one.send(b"abcdef")
    buffer = memoryview(bytearray(4))
    size, _, flags, _ = other.recvmsg_into((buffer,))
    assert (size, bool(flags), bytes(buffer)) == (4, True, b"abcd")


def test_so_many_wait_and_no_more() -> None:
    one, other = memory_datagram_sockets(2)
    one.send(b"1")
    one.send(b"2")
    assert not one.readiness() & 2
    with pytest.raises(BlockingIOError):
        one.send(b"3")
    other.recvmsg_into((memoryview(bytearray(10)),))
    assert one.readiness() & 2


def test_who_has_gone_refuses() -> None:
    one, other = memory_datagram_sockets()
    other.close()
    with pytest.raises(ConnectionRefusedError):
        one.send(b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.send(b"x")
    assert one.getpeername() == one.getsockname() == "memory"


def test_nothing_larger_than_udp_carries_is_taken() -> None:
    one, _ = memory_datagram_sockets()
    with pytest.raises(OSError, match="too long"):
        one.send(bytes(65_508))
