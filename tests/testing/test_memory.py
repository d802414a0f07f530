"""Sockets in memory: what a test can decide, and that they act as a kernel's sockets do."""

from __future__ import annotations

import selectors
import socket

import pytest
from helpers import Recorder

from reactor import EventLoop, Limits
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


def test_sending_to_one_that_is_closed_is_a_broken_pipe() -> None:
    one, other = memory_sockets()
    other.close()
    assert read(one) == b""
    with pytest.raises(BrokenPipeError):
        one.send(b"x")


def test_a_close_with_linger_set_is_a_reset() -> None:
    one, other = memory_sockets()
    one.send(b"dropped")
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    one.close()
    with pytest.raises(ConnectionResetError):
        read(other)


def test_another_option_does_not_make_its_close_a_reset() -> None:
    one, other = memory_sockets()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    one.close()
    assert read(other) == b""


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
        other.close()
        assert {key.data: mask for key, mask in selector.select(0)}["one"] == both


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


def test_a_pair_that_has_ended_has_closed_its_sockets(loop: EventLoop) -> None:
    left, right = memory_pair(loop, Recorder(), Recorder())
    loop.run_once(0)
    left.close()
    turns(loop)
    assert [each.get_extra_info("socket").closed for each in (left, right)] == [True, True]
    assert loop.stats()["watched"] == 0
