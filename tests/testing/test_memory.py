"""Sockets in memory: what a test can decide, and that they act as a kernel's sockets do."""

from __future__ import annotations

import errno
import selectors
import socket
import struct
from collections.abc import Callable

import pytest
from helpers import Recorder

from reactor import EventLoop, FramedProtocol, Limits
from reactor.testing import MemorySelector, MemorySocket, memory_pair, memory_sockets


def read(sock: MemorySocket, most: int = 100) -> bytes:
    buffer = bytearray(most)
    return bytes(buffer[: sock.recv_into(memoryview(buffer))])


def turns(loop: EventLoop, count: int = 8) -> None:
    for _ in range(count):
        loop.run_once(0)


# --- one socket


def test_what_one_sends_the_other_reads() -> None:
    one, other = memory_sockets()
    assert one.send(b"hello") == 5
    assert one.sendmsg([b"a", memoryview(b"bc")]) == 3
    assert read(other, 3) == b"hel"
    assert read(other) == b"loabc"


def test_an_empty_one_would_block() -> None:
    one, _ = memory_sockets()
    with pytest.raises(BlockingIOError):
        read(one)


def test_a_full_one_takes_what_has_room_and_then_would_block() -> None:
    one, other = memory_sockets(capacity=4)
    assert one.send(b"hello") == 4
    with pytest.raises(BlockingIOError):
        one.send(b"o")
    read(other, 1)
    assert one.send(b"o!") == 1


def test_the_sizes_of_sends_can_be_scripted_then_the_capacity_rules_alone() -> None:
    one, other = memory_sockets(capacity=10)
    one.send_sizes = [1, 0, 2]
    assert one.send(b"abc") == 1
    with pytest.raises(BlockingIOError):
        one.send(b"bc")
    assert one.send(b"bc") == 2
    assert one.send(bytes(100)) == 7
    assert read(other) == b"abc" + bytes(7)


def test_the_size_of_reads_can_be_bounded() -> None:
    one, other = memory_sockets()
    one.send(b"abc")
    other.read_size = 2
    assert [read(other), read(other)] == [b"ab", b"c"]


@pytest.mark.parametrize("call", ["send", "read"])
def test_an_error_can_be_scripted_and_is_met_once(call: str) -> None:
    one, other = memory_sockets()
    other.send(b"x")
    error = OSError(5, "scripted")
    setattr(one, f"fail_{call}", error)
    act = (lambda: one.send(b"y")) if call == "send" else (lambda: read(one))
    with pytest.raises(OSError, match="scripted") as caught:
        act()
    assert caught.value is error
    act()


def test_the_end_comes_behind_what_was_sent() -> None:
    one, other = memory_sockets()
    one.send(b"last")
    one.shutdown(socket.SHUT_WR)
    assert [read(other), read(other)] == [b"last", b""]
    other.send(b"the other direction goes on")
    assert read(one) == b"the other direction goes on"


def linger(sock: MemorySocket, seconds: int = 0) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))


# --- stricter than a kernel


USES: dict[str, Callable[[MemorySocket], object]] = {
    "recv_into": read,
    "send": lambda sock: sock.send(b"x"),
    "sendmsg": lambda sock: sock.sendmsg([b"x"]),
    "shutdown": lambda sock: sock.shutdown(socket.SHUT_WR),
    "setblocking": lambda sock: sock.setblocking(False),
    "setsockopt": linger,
    "getsockopt": lambda sock: sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    "getsockname": MemorySocket.getsockname,
}


@pytest.mark.parametrize("use", USES)
def test_what_is_closed_can_not_be_used(use: str) -> None:
    one, _ = memory_sockets()
    one.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        USES[use](one)
    one.close()
    assert one.fileno() == -1


def test_sending_behind_its_own_end_is_a_broken_pipe() -> None:
    one, _ = memory_sockets()
    one.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokenPipeError):
        one.send(b"x")


def test_more_chunks_than_a_kernel_takes_are_refused() -> None:
    one, _ = memory_sockets()
    assert one.sendmsg([b"x"] * 1024, (), socket.MSG_NOSIGNAL) == 1024
    with pytest.raises(OSError, match="Message too long"):
        one.sendmsg([b"x"] * 1025)


@pytest.mark.parametrize("chunks", [[], [b""], [b"x", b""]])
def test_nothing_at_all_is_not_sent(chunks: list[bytes]) -> None:
    one, _ = memory_sockets()
    with pytest.raises(ValueError, match="empty chunk"):
        one.sendmsg(chunks)


def test_nothing_is_not_read_into() -> None:
    one, _ = memory_sockets()
    with pytest.raises(ValueError, match="no room"):
        one.recv_into(memoryview(b""))


def test_the_size_of_one_read_and_the_flags_are_taken_as_a_kernel_does() -> None:
    one, other = memory_sockets()
    assert one.send(b"abc", socket.MSG_NOSIGNAL) == 3
    buffer = bytearray(8)
    assert other.recv_into(buffer, 2, 0) == 2
    assert buffer == b"ab" + bytes(6)


# --- the ends


Told = list[object]


def tell(sock: MemorySocket, calls: str) -> Told:
    """Return what reads and sends give, one after the other: the bytes, the count, or the name of the errno."""
    told: Told = []
    for call in calls:
        try:
            told.append(read(sock) if call == "r" else sock.send(b"x"))
        except OSError as exc:
            told.append(errno.errorcode[exc.errno or 0])
    return told


def closes(sock: MemorySocket) -> None:
    sock.send(b"last")
    sock.close()


def closes_unread(sock: MemorySocket) -> None:
    sock.peer.send(b"unread")
    closes(sock)


def resets(sock: MemorySocket) -> None:
    linger(sock)
    closes(sock)


def ends_then_resets(sock: MemorySocket) -> None:
    sock.send(b"last")
    sock.shutdown(socket.SHUT_WR)
    linger(sock)
    sock.close()


ENDS: dict[tuple[Callable[[MemorySocket], None], str], Told] = {
    (closes, "rrr"): [b"last", b"", b""],
    (closes, "ssr"): [1, "EPIPE", b"last"],
    (closes, "srrr"): [1, b"last", "ECONNRESET", b""],
    (closes_unread, "rrrs"): [b"last", "ECONNRESET", b"", "EPIPE"],
    (closes_unread, "ssrr"): ["ECONNRESET", "EPIPE", b"last", b""],
    (resets, "rrs"): ["ECONNRESET", b"", "EPIPE"],
    (resets, "ssr"): ["ECONNRESET", "EPIPE", b""],
    (ends_then_resets, "srr"): ["EPIPE", "ECONNRESET", b""],
}


@pytest.mark.parametrize(("end", "calls"), ENDS, ids=lambda each: getattr(each, "__name__", each))
def test_the_peers_end_is_met_as_a_kernel_tells_it(end: Callable[[MemorySocket], None], calls: str) -> None:
    one, other = memory_sockets()
    end(other)
    assert one.readiness() == selectors.EVENT_READ | selectors.EVENT_WRITE
    assert tell(one, calls) == ENDS[end, calls]


def test_a_reset_is_told_once_also_as_an_option() -> None:
    one, other = memory_sockets()
    resets(other)
    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 0
    asked = [one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for _ in range(2)]
    assert asked == [errno.ECONNRESET, 0]
    assert tell(one, "rs") == [b"", "EPIPE"]
    with pytest.raises(OSError, match="not connected"):
        one.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("seconds", [None, 2])
def test_no_other_option_makes_its_close_a_reset(seconds: int | None) -> None:
    one, other = memory_sockets()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096) if seconds is None else linger(one, seconds)
    one.close()
    assert read(other) == b""


def test_who_has_shut_down_both_ways_reads_the_end() -> None:
    one, other = memory_sockets()
    one.shutdown(socket.SHUT_RDWR)
    assert [read(one), read(other)] == [b"", b""]


# --- the selector


def test_readiness_is_what_the_sockets_say() -> None:
    one, other = memory_sockets(capacity=4)
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    with MemorySelector() as selector:
        selector.register(one, both, "one")
        selector.register(other, selectors.EVENT_READ, "other")
        assert {key.data: mask for key, mask in selector.select(0)} == {"one": selectors.EVENT_WRITE}
        one.send(b"full")
        assert {key.data: mask for key, mask in selector.select(0)} == {"other": selectors.EVENT_READ}
        selector.unregister(other)
        other.close()
        assert {key.data: mask for key, mask in selector.select(0)} == {"one": both}


@pytest.mark.parametrize("hook", ["fail_send", "fail_read"])
def test_a_scripted_error_makes_it_ready_for_the_call_that_meets_it(hook: str) -> None:
    one, _ = memory_sockets(capacity=1)
    one.send(b"x")
    with MemorySelector() as selector:
        selector.register(one, selectors.EVENT_READ | selectors.EVENT_WRITE)
        assert selector.select(0) == []
        setattr(one, hook, OSError(5, "scripted"))
        assert [mask for _, mask in selector.select(0)] == [
            selectors.EVENT_WRITE if hook == "fail_send" else selectors.EVENT_READ
        ]


def test_it_refuses_what_a_selector_refuses() -> None:
    one, _ = memory_sockets()
    with MemorySelector() as selector:
        with pytest.raises(KeyError):
            selector.unregister(one)
        selector.register(one, selectors.EVENT_READ)
        with pytest.raises(KeyError):
            selector.register(one, selectors.EVENT_READ)
        selector.modify(one, selectors.EVENT_WRITE)
        assert len(selector.select(0)) == 1
        selector.unregister(one)
        assert selector.select(0) == []


def test_what_is_closed_can_not_be_registered() -> None:
    one, _ = memory_sockets()
    one.close()
    with MemorySelector() as selector, pytest.raises(ValueError, match="closed"):
        selector.register(one, selectors.EVENT_READ)


def test_what_is_closed_while_it_is_registered_is_an_error() -> None:
    one, _ = memory_sockets()
    with MemorySelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        one.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            selector.select(0)
        selector.unregister(one)
        assert selector.select(0) == []


def test_it_leaves_real_file_objects_to_the_system() -> None:
    one, other = socket.socketpair()
    with MemorySelector() as selector, one, other:
        selector.register(one, selectors.EVENT_READ, "real")
        assert selector.select(0) == []
        other.send(b"x")
        assert [key.data for key, _ in selector.select(None)] == ["real"]
        selector.unregister(one)


# --- the pair


def test_a_pair_is_connected_in_the_next_turn(loop: EventLoop) -> None:
    one, other = Recorder(), Recorder()
    left, right = memory_pair(loop, one, other, limits=Limits(high_water=7, low_water=1))
    assert (one.calls, other.calls) == ([], [])
    loop.run_once(0)
    assert (one.calls, other.calls) == (["made"], ["made"])
    assert left.get_write_buffer_limits() == right.get_write_buffer_limits() == (1, 7)
    left.close()
    turns(loop)


def test_the_sockets_of_a_pair_are_its_hooks(loop: EventLoop) -> None:
    one, other = Recorder(), Recorder()
    left, right = memory_pair(loop, one, other, capacity=3)
    loop.run_once(0)
    assert left.get_extra_info("socket").peer is right.get_extra_info("socket")
    right.get_extra_info("socket").read_size = 1
    left.write(b"abcdef")
    turns(loop, 20)
    assert other.calls.count("data") == 6
    left.close()
    turns(loop)


def test_who_closes_behind_bytes_that_nobody_read_costs_the_other_nothing(loop: EventLoop) -> None:
    one, other = Recorder(), Recorder()
    left, right = memory_pair(loop, one, other)
    loop.run_once(0)
    left.write(b"last")
    right.write(b"never read")
    left.close()
    turns(loop)
    assert (other.data, other.lost, one.lost) == (b"last", None, None)


def test_a_pair_that_has_ended_has_closed_its_sockets(loop: EventLoop) -> None:
    left, right = memory_pair(loop, Recorder(), Recorder())
    loop.run_once(0)
    left.close()
    turns(loop)
    assert [each.get_extra_info("socket").closed for each in (left, right)] == [True, True]
    assert loop.stats()["watched"] == 0


class Misspelt(FramedProtocol):
    def mesage_received(self, message: bytes) -> None:
        """Be called by nobody."""


@pytest.mark.parametrize(("wrong", "said"), [(Misspelt(), "mesage_received"), (Misspelt, "the class Misspelt")])
def test_what_no_door_takes_is_no_end_of_a_pair(loop: EventLoop, wrong: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        memory_pair(loop, FramedProtocol(), wrong)
