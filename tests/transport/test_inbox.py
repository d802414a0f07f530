"""Inbox: what is delivered, what is kept, and when it is quiet; what a connection makes of it is told there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from selectors import EVENT_READ
from types import ModuleType
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder
from reactor.transport.delivery import delivery_to
from reactor.transport.inbox import Inbox

from reactor import EventLoop, FrameTooLarge, FrameTruncated, Framing, Limits
from reactor.testing import ManualClock, memory_sockets
from reactor.transport.deadlines import Deadlines


class Half:
    """An inbox alone, with its owner: it is the transport of its protocol, as far as one is needed to receive."""

    def __init__(self, loop: EventLoop, protocol: Any, **limits: Any) -> None:
        self.open = True
        self.failures: list[Exception] = []
        self.ends = 0
        self.timeouts: list[Exception] = []
        ours, self.peer = memory_sockets()
        self.sock = ours
        given: Any = ours
        self.watch = loop.watch(ours, lambda: None, lambda: None)
        self.adopt(protocol)
        deadlines = Deadlines(loop, self)
        memory = memoryview(bytearray(1 << 18))
        delivery = delivery_to(protocol, self.transport)
        self.box = Inbox(loop, given, self.watch, Limits(**limits), deadlines, memory, delivery, self)
        self.watch.on_read = self.box.read_ready
        self.box.set_interest()

    def timed_out(self, exc: Exception) -> None:
        self.timeouts.append(exc)

    @property
    def transport(self) -> Any:
        return self

    def adopt(self, protocol: Any) -> None:
        protocol.transport = self

    def is_reading(self) -> bool:
        return self.box.is_reading()

    def is_open(self) -> bool:
        return self.open

    def call(self, callback: Callable[..., object], *args: Any) -> object:
        return callback(*args)

    def callback_raised(self, exc: BaseException) -> None:
        raise exc

    def receiving_failed(self, exc: Exception) -> None:
        self.failures.append(exc)
        self.open = False
        self.box.set_interest()

    def peer_ended(self) -> None:
        self.ends += 1

    def tls_received(self, data: memoryview) -> bytes:
        raise AssertionError("there is no TLS")


FRAMES = [b"one", b"", b"three"]
WIRE = Framing().encode_many(FRAMES)


def turns(loop: EventLoop, count: int = 5) -> None:
    for _ in range(count):
        loop.run_once(0)


def test_it_is_quiet_between_messages_and_only_there(loop: EventLoop, twin: ModuleType) -> None:
    protocol = FrameRecorder()
    half = Half(loop, protocol)
    quiet = []
    for byte in WIRE:
        quiet.append(half.box.is_quiet())
        half.peer.send(bytes([byte]))
        turns(loop, 1)
    assert half.box.is_quiet()
    assert protocol.messages == FRAMES
    assert [index for index, each in enumerate(quiet) if each] == [0, 7, 11]
    assert half.box.bytes_received == len(WIRE)


def test_bytes_without_messages_are_always_quiet(loop: EventLoop) -> None:
    half = Half(loop, Recorder())
    half.peer.send(b"some")
    turns(loop)
    assert half.box.is_quiet()


def test_it_is_not_quiet_while_a_message_waits_to_be_delivered(loop: EventLoop, twin: ModuleType) -> None:
    class Pauses(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            half.box.pause()

    protocol = Pauses()
    half = Half(loop, protocol)
    half.peer.send(WIRE)
    turns(loop)
    assert (protocol.messages, half.box.is_quiet()) == (FRAMES[:1], False)
    for _ in FRAMES:
        half.box.resume()
        turns(loop)
    assert (protocol.messages, half.box.is_quiet()) == (FRAMES, True)


def test_a_paused_inbox_does_not_watch_its_socket(loop: EventLoop) -> None:
    half = Half(loop, Recorder())
    assert half.watch.mask == EVENT_READ
    half.box.pause()
    assert (half.watch.mask, half.box.is_reading()) == (0, False)
    half.box.resume()
    assert (half.watch.mask, half.box.is_reading()) == (EVENT_READ, True)


def test_a_closed_owner_reads_nothing(loop: EventLoop) -> None:
    protocol = Recorder()
    half = Half(loop, protocol)
    half.open = False
    half.box.set_interest()
    half.peer.send(b"late")
    turns(loop)
    assert protocol.data == b""


def test_the_end_comes_once_behind_what_is_left(loop: EventLoop, twin: ModuleType) -> None:
    class Pauses(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            if message == b"one":
                half.box.pause()

    protocol = Pauses()
    half = Half(loop, protocol)
    half.peer.send(WIRE)
    half.peer.shutdown(socket.SHUT_WR)
    turns(loop)
    assert (protocol.messages, half.ends) == (FRAMES[:1], 0)
    half.box.resume()
    assert (protocol.messages, half.ends) == (FRAMES[:1], 0), "never from inside resume()"
    turns(loop)
    assert (protocol.messages, half.ends, half.box.ended) == (FRAMES, 1, True)


def test_the_end_inside_a_message_is_a_failure(loop: EventLoop, twin: ModuleType) -> None:
    half = Half(loop, FrameRecorder())
    half.peer.send(WIRE[:-1])
    half.peer.shutdown(socket.SHUT_WR)
    turns(loop)
    assert ([type(each) for each in half.failures], half.ends) == ([FrameTruncated], 0)


def test_a_broken_stream_is_a_failure_behind_its_good_messages(loop: EventLoop, twin: ModuleType) -> None:
    protocol = FrameRecorder()
    half = Half(loop, protocol)
    half.peer.send(WIRE + b"\xff" * 9)
    turns(loop)
    assert (protocol.messages, [type(each) for each in half.failures]) == (FRAMES, [FrameTooLarge])


def test_an_error_of_the_socket_is_a_failure(loop: EventLoop) -> None:
    half = Half(loop, Recorder())
    half.sock.fail_read = ConnectionResetError(104, "Connection reset by peer")
    turns(loop)
    assert [type(each) for each in half.failures] == [ConnectionResetError]


def test_another_delivery_gets_every_byte_that_this_one_did_not_give(loop: EventLoop, twin: ModuleType) -> None:
    second = Recorder()

    class Hands(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            half.adopt(second)
            half.box.hand_over(delivery_to(second, half.transport))

    first = Hands()
    half = Half(loop, first)
    half.peer.send(WIRE + b"\0\0")
    turns(loop)
    assert (first.messages, second.data) == (FRAMES[:1], WIRE[7:] + b"\0\0")


def test_bytes_that_were_for_nobody_can_be_taken_out(loop: EventLoop, twin: ModuleType) -> None:
    protocol = FrameRecorder()
    half = Half(loop, protocol)
    half.peer.send(WIRE[:5])
    turns(loop)
    half.box.hand_over(delivery_to(protocol, half.transport))
    assert half.box.take_unread() == WIRE[:5]
    assert half.box.take_unread() == b""
    assert half.box.is_quiet()


def test_a_frame_has_its_time_but_not_while_the_protocol_pauses(
    loop: EventLoop, clock: ManualClock, twin: ModuleType
) -> None:
    half = Half(loop, FrameRecorder(), frame_timeout=10)
    half.peer.send(WIRE[:5])
    turns(loop)
    half.box.pause()
    clock.advance(100)
    turns(loop)
    assert half.timeouts == []
    half.box.resume()
    clock.advance(9)
    turns(loop)
    assert half.timeouts == []
    clock.advance(1)
    turns(loop)
    assert "frame_timeout" in str(half.timeouts[0])


@pytest.mark.parametrize("read_size", [1, 3, None])
def test_however_it_is_cut_the_same_comes_out(loop: EventLoop, twin: ModuleType, read_size: int | None) -> None:
    protocol = FrameRecorder()
    half = Half(loop, protocol)
    half.sock.read_size = read_size
    half.peer.send(WIRE * 3)
    turns(loop, 3 * len(WIRE) + 1)
    assert protocol.messages == FRAMES * 3
