"""Connection, in memory: order, number and ends of its callbacks, and the bounds of what it holds."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder

from reactor import (
    ConnectionTimeout,
    EventLoop,
    FramedProtocol,
    FrameTooLarge,
    FrameTruncated,
    Framing,
    Limits,
    Protocol,
    WriteBufferFull,
)
from reactor.testing import ManualClock, MemorySocket, memory_pair
from reactor.transport import Connection

Wire = tuple[Connection, Connection, MemorySocket]


def wire(loop: EventLoop, one: Any, other: Any, **options: Any) -> Wire:
    """Connect two protocols; return both transports and the socket of the first."""
    left, right = memory_pair(loop, one, other, **options)
    loop.run_once(0)
    return left, right, left.get_extra_info("socket")


def turns(loop: EventLoop, count: int = 6) -> None:
    for _ in range(count):
        loop.run_once(0)


def collect_reports(loop: EventLoop) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    return reports


# --- order and ends


def test_callbacks_come_in_order_and_each_end_once(loop: EventLoop) -> None:
    one, other = Recorder(), Recorder()
    left, _, _ = wire(loop, one, other)
    left.write(b"hello")
    turns(loop)
    left.close()
    turns(loop)
    assert other.calls == ["made", "data", "eof", "lost"]
    assert one.calls == ["made", "lost"]
    assert (other.data, other.lost, one.lost) == (b"hello", None, None)


def test_the_transport_is_set_before_connection_made(loop: EventLoop) -> None:
    seen: list[bool] = []

    class Sees(Protocol):
        def connection_made(self, transport: Any) -> None:
            seen.append(self.transport is transport)
            transport.abort()

    wire(loop, Sees(), Recorder())
    turns(loop)
    assert seen == [True]


def test_close_sends_what_waits_first(loop: EventLoop) -> None:
    other = Recorder()
    left, _, _ = wire(loop, Recorder(), other, capacity=10)
    left.write(bytes(1000))
    left.close()
    assert left.is_closing()
    turns(loop, 300)
    assert len(other.data) == 1000


def test_nothing_is_delivered_after_close(loop: EventLoop) -> None:
    one = Recorder()
    left, right, _ = wire(loop, one, Recorder())
    right.write(b"late")
    left.close()
    turns(loop)
    assert one.calls == ["made", "lost"]


def test_abort_drops_what_waits_and_resets(loop: EventLoop) -> None:
    one, other = Recorder(), Recorder()
    left, _, sock = wire(loop, one, other)
    left.write(b"never sent")
    left.abort()
    turns(loop)
    assert sock.was_reset
    assert (one.lost, other.data) == (None, b"")
    assert isinstance(other.lost, ConnectionResetError)


def test_abort_upgrades_a_close(loop: EventLoop) -> None:
    one = Recorder()
    left, right, sock = wire(loop, one, Recorder(), capacity=10)
    right.pause_reading()
    left.write(bytes(1000))
    left.close()
    turns(loop)
    assert one.calls == ["made"]
    left.abort()
    right.abort()
    turns(loop)
    assert one.calls == ["made", "lost"]
    assert sock.was_reset


def test_an_oserror_is_the_cause(loop: EventLoop) -> None:
    one = Recorder()
    _, right, sock = wire(loop, one, Recorder())
    sock.fail_read = OSError(5, "Input/output error")
    turns(loop)
    assert str(one.lost) == "[Errno 5] Input/output error"
    right.abort()
    turns(loop)


@pytest.mark.parametrize("ending", ["close", "abort"])
def test_ending_twice_ends_once(loop: EventLoop, ending: str) -> None:
    one = Recorder()
    left, _, _ = wire(loop, one, Recorder())
    getattr(left, ending)()
    getattr(left, ending)()
    turns(loop)
    assert one.calls == ["made", "lost"]


def test_a_connection_made_that_raises_ends_that_connection_only(loop: EventLoop) -> None:
    reports = collect_reports(loop)

    class Bad(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            raise ValueError("no")

    bad, good, fine = Bad(), Recorder(), Recorder()
    wire(loop, bad, Recorder())
    left, _, _ = wire(loop, good, fine)
    left.write(b"x")
    turns(loop)
    assert bad.calls == ["made", "lost"]
    assert str(bad.lost) == "no"
    assert fine.data == b"x"
    assert [each["message"] for each in reports] == ["exception in connection_made"]
    left.close()
    turns(loop)


@pytest.mark.parametrize("where", ["data_received", "eof_received", "pause_writing", "connection_lost"])
def test_an_exception_in_a_callback_is_reported_and_is_the_cause(loop: EventLoop, where: str) -> None:
    reports = collect_reports(loop)

    def fail(*args: Any) -> None:
        raise ValueError(where)

    one = Recorder()
    setattr(one, where, fail)
    left, right, _ = wire(loop, one, Recorder(), limits=Limits(high_water=10, low_water=1))
    right.write(b"data")
    turns(loop, 2)
    if where == "pause_writing":
        right.pause_reading()
        left.write(bytes(1 << 20))
    right.close()
    turns(loop)
    left.abort()
    turns(loop)
    assert [str(each["exception"]) for each in reports] == [where]
    assert reports[0]["transport"] is left
    assert reports[0]["protocol"] is one
    if where != "connection_lost":
        assert str(one.lost) == where
        assert one.calls.count("lost") == 1


def test_an_exception_after_close_is_reported_but_close_is_the_cause(loop: EventLoop) -> None:
    reports = collect_reports(loop)

    class Bad(Recorder):
        def data_received(self, data: bytes) -> None:
            self.transport.close()
            raise ValueError("after close")

    one = Bad()
    _, right, _ = wire(loop, one, Recorder())
    right.write(b"x")
    turns(loop)
    assert len(reports) == 1
    assert one.lost is None


# --- eof and half-close


def test_a_protocol_may_go_on_writing_after_eof(loop: EventLoop) -> None:
    class KeepsOpen(Recorder):
        def eof_received(self) -> bool:
            super().eof_received()
            return True

    one, other = KeepsOpen(), Recorder()
    left, right, _ = wire(loop, one, other)
    right.write_eof()
    turns(loop)
    assert one.calls == ["made", "eof"]
    left.write(b"answer")
    left.close()
    turns(loop)
    assert (other.data, other.lost) == (b"answer", None)
    assert one.calls == ["made", "eof", "lost"]


def test_write_eof_leaves_after_what_waits(loop: EventLoop) -> None:
    other = Recorder()
    left, _, _ = wire(loop, Recorder(), other, capacity=100)
    left.write(bytes(1000))
    left.write_eof()
    left.write_eof()
    turns(loop, 40)
    assert len(other.data) == 1000
    assert other.calls[-2:] == ["eof", "lost"]


def test_writing_after_write_eof_is_an_error(loop: EventLoop) -> None:
    left, _, _ = wire(loop, Recorder(), Recorder())
    left.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        left.write(b"x")
    turns(loop)


def test_a_connection_ended_by_both_sides_is_over(loop: EventLoop) -> None:
    class KeepsOpen(Recorder):
        def eof_received(self) -> bool:
            return True

    one = KeepsOpen()
    left, right, _ = wire(loop, one, Recorder())
    left.write_eof()
    right.write_eof()
    turns(loop)
    assert one.ended


# --- writing


def test_writes_of_one_turn_leave_in_one_send(loop: EventLoop) -> None:
    left, right, sock = wire(loop, Recorder(), Recorder())
    sock.send_sizes = [1 << 20, 0, 0]
    loop.call_soon(lambda: [left.write(b"a"), left.writelines([b"b", b"", b"c"])])
    loop.run_once(0)
    assert sock.peer.incoming == b"abc"
    assert sock.send_sizes == [0, 0], "one send was enough"
    right.close()
    turns(loop)


def test_a_bytearray_may_be_reused_at_once(loop: EventLoop) -> None:
    other = Recorder()
    left, _, _ = wire(loop, Recorder(), other)
    data = bytearray(b"first")
    left.write(data)
    data[:] = b"other"
    left.write(memoryview(data)[::2])
    turns(loop)
    assert other.data == b"firstohr"
    left.close()
    turns(loop)


@pytest.mark.parametrize("wrong", ["text", 5, None])
def test_only_bytes_can_be_written(loop: EventLoop, wrong: Any) -> None:
    left, _, _ = wire(loop, Recorder(), Recorder())
    with pytest.raises(TypeError):
        left.write(wrong)
    left.close()
    turns(loop)


def test_writes_after_close_are_dropped_and_counted(loop: EventLoop) -> None:
    other = Recorder()
    left, _, _ = wire(loop, Recorder(), other)
    left.close()
    left.write(b"x")
    left.writelines([b"y"])
    turns(loop)
    assert (other.data, left.writes_dropped) == (b"", 2)


def test_one_byte_at_a_time_arrives_whole_and_in_order(loop: EventLoop) -> None:
    other = Recorder()
    left, _, sock = wire(loop, Recorder(), other)
    sock.send_sizes = [1, 0, 1, 2] * 100
    data = bytes(range(200))
    left.write(data)
    turns(loop, 700)
    assert other.data == data
    left.close()
    turns(loop)


def test_pause_and_resume_alternate_at_the_water_marks(loop: EventLoop) -> None:
    one, other = Recorder(), Recorder()
    left, right, _ = wire(loop, one, other, capacity=1000, limits=Limits(high_water=500, low_water=100))
    right.pause_reading()
    left.write(bytes(1500))
    assert one.calls == ["made"], "the kernel took 1000, 500 is not over high"
    left.write(b"x")
    assert one.calls == ["made", "pause"], "from inside write()"
    left.write(b"y")
    turns(loop)
    assert one.calls == ["made", "pause"]
    right.resume_reading()
    turns(loop)
    assert one.calls == ["made", "pause", "resume"]
    assert len(other.data) == 1502
    left.close()
    turns(loop)


def test_water_marks_can_be_set_as_in_asyncio(loop: EventLoop) -> None:
    left, right, _ = wire(loop, Recorder(), Recorder())
    left.set_write_buffer_limits(high=100)
    assert left.get_write_buffer_limits() == (25, 100)
    left.set_write_buffer_limits(low=10)
    assert left.get_write_buffer_limits() == (10, 40)
    left.set_write_buffer_limits(0)
    assert left.get_write_buffer_limits() == (0, 0)
    left.set_write_buffer_limits()
    assert left.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
    with pytest.raises(ValueError, match="high"):
        left.set_write_buffer_limits(1, 2)
    right.close()
    turns(loop)


def test_another_protocol_is_told_that_much_waits(loop: EventLoop) -> None:
    one, after = Recorder(), Recorder()
    left, right, _ = wire(loop, one, Recorder(), capacity=10, limits=Limits(high_water=100, low_water=10))
    right.pause_reading()
    left.write(bytes(500))
    left.set_protocol(after)
    assert (one.calls, after.calls) == (["made", "pause"], ["pause"])
    right.resume_reading()
    turns(loop, 200)
    assert after.calls == ["pause", "resume"]
    left.close()
    turns(loop)


def overfull(loop: EventLoop, overflow: Any) -> tuple[Recorder, Recorder, Connection, Connection]:
    one, other = Recorder(), Recorder()
    limits = Limits(max_write_buffer=100, overflow=overflow)
    left, right, _ = wire(loop, one, other, capacity=50, limits=limits)
    right.pause_reading()
    left.write(bytes(100))
    loop.run_once(0)
    left.write(bytes(50))
    assert left.get_write_buffer_size() == 100
    return one, other, left, right


def test_a_write_over_the_cap_can_abort(loop: EventLoop) -> None:
    one, _, left, right = overfull(loop, "abort")
    left.write(b"x")
    right.abort()
    turns(loop)
    assert isinstance(one.lost, WriteBufferFull)
    assert "max_write_buffer is 100" in str(one.lost)


def test_a_write_over_the_cap_can_raise_and_queue_nothing(loop: EventLoop) -> None:
    _, other, left, right = overfull(loop, "raise")
    with pytest.raises(WriteBufferFull):
        left.write(b"x")
    right.resume_reading()
    turns(loop)
    assert len(other.data) == 150
    left.close()
    turns(loop)


def test_a_write_over_the_cap_can_be_dropped(loop: EventLoop) -> None:
    _, other, left, right = overfull(loop, "drop")
    left.write(b"x")
    assert left.writes_dropped == 1
    right.resume_reading()
    turns(loop)
    assert len(other.data) == 150
    left.close()
    turns(loop)


# --- reading


def test_nothing_comes_while_paused_and_all_of_it_after(loop: EventLoop) -> None:
    other = Recorder()
    left, right, _ = wire(loop, Recorder(), other)
    right.pause_reading()
    right.pause_reading()
    left.write(b"hello")
    turns(loop)
    assert (other.data, right.is_reading()) == (b"", False)
    right.resume_reading()
    turns(loop)
    assert (other.data, right.is_reading()) == (b"hello", True)
    left.close()
    turns(loop)


def test_pausing_in_connection_made_holds(loop: EventLoop) -> None:
    class Paused(Recorder):
        def connection_made(self, transport: Any) -> None:
            transport.pause_reading()

    one = Paused()
    left, right, _ = wire(loop, one, Recorder())
    right.write(b"x")
    turns(loop)
    assert one.data == b""
    left.abort()
    turns(loop)


class Buffered:
    """asyncio's BufferedProtocol, with a small buffer."""

    def __init__(self) -> None:
        self.buffer, self.data, self.transport = bytearray(7), b"", None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]

    def eof_received(self) -> None:
        pass

    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None


def test_a_buffered_protocol_gets_every_byte(loop: EventLoop) -> None:
    other = Buffered()
    left, _, _ = wire(loop, Recorder(), other)
    left.write(bytes(range(100)))
    turns(loop)
    left.close()
    turns(loop)
    assert other.data == bytes(range(100))


def test_a_buffered_protocol_that_pauses_gets_the_rest_later(loop: EventLoop) -> None:
    class Pauses(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.transport.pause_reading()

    other = Pauses()
    left, right, _ = wire(loop, Recorder(), other)
    left.write(bytes(range(100)))
    turns(loop)
    assert len(other.data) == 7
    for _ in range(20):
        right.resume_reading()
        turns(loop, 2)
    assert other.data == bytes(range(100))
    left.close()
    right.close()
    turns(loop)


# --- messages

FRAMES = [bytes([index]) * index for index in range(8)]


class Acts(FrameRecorder):
    """Does something inside the message with a given index."""

    def __init__(self, index: int, act: Callable[[Any], None]) -> None:
        super().__init__()
        self.index, self.act = index, act

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) == self.index + 1:
            self.act(self)


class ActsInBatch(Acts):
    """The same, for one who takes the batch and hands it on."""

    def messages_received(self, messages: Any) -> None:
        assert type(messages) is list
        super().messages_received(messages)


ACTING = pytest.mark.parametrize("kind", [Acts, ActsInBatch])
AT = pytest.mark.parametrize("index", range(len(FRAMES)))


def stream(loop: EventLoop, receiver: Any, data: bytes | None = None) -> Wire:
    made = wire(loop, Recorder(), receiver)
    made[0].write(Framing().encode_many(FRAMES) if data is None else data)
    turns(loop, 3)
    return made


@ACTING
@AT
def test_pausing_inside_a_message_loses_nothing(
    loop: EventLoop, twin: ModuleType, kind: type[Acts], index: int
) -> None:
    receiver = kind(index, lambda self: self.transport.pause_reading())
    left, right, _ = stream(loop, receiver)
    assert receiver.messages == FRAMES[: index + 1]
    right.resume_reading()
    assert receiver.messages == FRAMES[: index + 1], "never from inside resume_reading()"
    turns(loop)
    assert receiver.messages == FRAMES
    left.close()
    turns(loop)


@ACTING
@AT
def test_pausing_and_resuming_inside_a_message_repeats_nothing(
    loop: EventLoop, twin: ModuleType, kind: type[Acts], index: int
) -> None:
    def act(self: Any) -> None:
        self.transport.pause_reading()
        self.transport.resume_reading()

    receiver = kind(index, act)
    left, _, _ = stream(loop, receiver)
    turns(loop)
    assert receiver.messages == FRAMES
    left.close()
    turns(loop)


@ACTING
@AT
@pytest.mark.parametrize("ending", ["close", "abort"])
def test_ending_inside_a_message_ends_the_batch(
    loop: EventLoop, twin: ModuleType, kind: type[Acts], index: int, ending: str
) -> None:
    receiver = kind(index, lambda self: getattr(self.transport, ending)())
    stream(loop, receiver)
    turns(loop)
    assert receiver.messages == FRAMES[: index + 1]
    assert (receiver.ended, receiver.lost) == (True, None)


@ACTING
@AT
def test_an_exception_inside_a_message_ends_the_batch(
    loop: EventLoop, twin: ModuleType, kind: type[Acts], index: int
) -> None:
    reports = collect_reports(loop)

    def act(self: Any) -> None:
        raise ValueError("in a message")

    receiver = kind(index, act)
    stream(loop, receiver)
    turns(loop)
    assert receiver.messages == FRAMES[: index + 1]
    assert str(receiver.lost) == "in a message"
    assert [each["message"] for each in reports] == [f"exception in message{'s' * (kind is ActsInBatch)}_received"]


@AT
def test_switching_to_bytes_inside_a_message_hands_over_the_rest(loop: EventLoop, twin: ModuleType, index: int) -> None:
    after = Recorder()
    receiver = Acts(index, lambda self: self.transport.set_protocol(after))
    framing = Framing()
    left, _, _ = stream(loop, receiver, framing.encode_many(FRAMES) + b"\0\0")
    turns(loop)
    assert receiver.messages == FRAMES[: index + 1]
    assert after.data == framing.encode_many(FRAMES[index + 1 :]) + b"\0\0"
    left.close()
    turns(loop)
    assert after.ended
    assert not receiver.ended


@AT
def test_switching_the_framing_inside_a_message_decodes_the_rest_anew(
    loop: EventLoop, twin: ModuleType, index: int
) -> None:
    varint = Framing.varint()
    after = FrameRecorder()
    after.framing = varint
    receiver = Acts(index, lambda self: self.transport.set_protocol(after))
    data = Framing().encode_many(FRAMES[: index + 1]) + varint.encode_many(FRAMES)
    left, _, _ = stream(loop, receiver, data)
    turns(loop)
    assert after.messages == FRAMES
    left.close()
    turns(loop)


@pytest.mark.parametrize(
    "framing",
    [Framing(4, length_field_offset=1, strip=0), Framing(1, strip=0, max_frame_length=7), Framing.varint(strip=1)],
)
def test_a_list_that_stops_is_kept_whatever_the_framing(loop: EventLoop, twin: ModuleType, framing: Framing) -> None:
    receiver = ActsInBatch(2, lambda self: self.transport.pause_reading())
    receiver.framing = framing
    stream_ = b"".join(framing.encode(body, prefix=bytes(framing.length_field_offset)) for body in FRAMES)
    left, right, _ = stream(loop, receiver, stream_)
    assert len(receiver.messages) == 3
    right.resume_reading()
    turns(loop)
    assert len(receiver.messages) == len(FRAMES)
    left.close()
    turns(loop)


def test_a_framing_chosen_in_connection_made_counts(loop: EventLoop, twin: ModuleType) -> None:
    class Chooses(FrameRecorder):
        def connection_made(self, transport: Any) -> None:
            self.framing = Framing(2, "little")

    receiver = Chooses()
    left, _, _ = stream(loop, receiver, Framing(2, "little").encode_many(FRAMES))
    assert receiver.messages == FRAMES
    left.close()
    turns(loop)


def test_messages_before_a_bad_one_are_delivered_and_answered(loop: EventLoop, twin: ModuleType) -> None:
    class Echo(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            self.send(message)

    client, server = Recorder(), Echo()
    left, _, _ = wire(loop, client, server)
    left.write(Framing().encode_many(FRAMES) + b"GET / HTTP/1.1\r\n")
    turns(loop)
    assert server.messages == FRAMES
    assert isinstance(server.lost, FrameTooLarge)
    assert "looks like HTTP" in str(server.lost)
    assert client.data == Framing().encode_many(FRAMES)


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_eof_inside_a_frame_is_told(loop: EventLoop, twin: ModuleType, cut: int) -> None:
    server = FrameRecorder()
    left, _, _ = wire(loop, Recorder(), server)
    left.write(Framing().encode(b"whole") + Framing().encode(b"cut off")[:cut])
    left.close()
    turns(loop)
    assert server.messages == [b"whole"]
    assert isinstance(server.lost, FrameTruncated)


def test_a_large_message_arrives_whole(loop: EventLoop, twin: ModuleType) -> None:
    body = bytes(range(256)) * 4000
    server = FrameRecorder()
    left, _, _ = wire(loop, Recorder(), server)
    left.write(Framing().encode(body) + Framing().encode(b"next"))
    turns(loop, 40)
    assert server.messages == [body, b"next"]
    left.close()
    turns(loop)


def test_a_flood_of_empty_messages_leaves_turns_to_others(loop: EventLoop, twin: ModuleType) -> None:
    server, ping = FrameRecorder(), FrameRecorder()
    flood, _, _ = wire(loop, Recorder(), server)
    quiet, _, _ = wire(loop, Recorder(), ping)
    flood.write(bytes(4 * 50_000))
    quiet.write(Framing().encode(b"ping"))
    turns(loop, 2)
    assert ping.messages == [b"ping"]
    assert 0 < len(server.messages) < 50_000
    turns(loop, 60)
    assert len(server.messages) == 50_000
    flood.close()
    quiet.close()
    turns(loop)


def test_send_refuses_what_is_too_large_and_sends_nothing(loop: EventLoop, twin: ModuleType) -> None:
    class Sends(FramedProtocol):
        framing = Framing(1)

    one, other = Sends(), Recorder()
    left, _, _ = wire(loop, one, other)
    with pytest.raises(FrameTooLarge):
        one.send_many([b"fine", bytes(256)])
    turns(loop)
    assert other.data == b""
    left.close()
    turns(loop)


# --- waits


def test_an_idle_connection_ends_when_nothing_moves(loop: EventLoop, clock: ManualClock) -> None:
    one, other = Recorder(), Recorder()
    _, right, _ = wire(loop, one, other, limits=Limits(idle_timeout=10))
    for _ in range(5):
        clock.advance(9)
        right.write(b"x")
        turns(loop, 3)
    assert not one.ended
    clock.advance(9.9)
    turns(loop)
    assert not one.ended
    clock.advance(0.1)
    turns(loop)
    assert isinstance(one.lost, ConnectionTimeout)
    assert "idle_timeout" in str(one.lost)


def test_trickling_bytes_does_not_extend_a_frame(loop: EventLoop, clock: ManualClock, twin: ModuleType) -> None:
    server = FrameRecorder()
    left, _, _ = wire(loop, Recorder(), server, limits=Limits(frame_timeout=10))
    for byte in Framing().encode(bytes(100)):
        left.write(bytes([byte]))
        turns(loop, 2)
        clock.advance(1)
    turns(loop)
    assert isinstance(server.lost, ConnectionTimeout)
    assert "frame_timeout" in str(server.lost)


def test_whole_frames_never_meet_the_frame_timeout(loop: EventLoop, clock: ManualClock, twin: ModuleType) -> None:
    server = FrameRecorder()
    left, _, _ = wire(loop, Recorder(), server, limits=Limits(frame_timeout=10))
    for _ in range(10):
        frame = Framing().encode(bytes(100))
        left.write(frame[:50])
        turns(loop, 2)
        clock.advance(9)
        left.write(frame[50:])
        turns(loop, 2)
        clock.advance(9)
    assert len(server.messages) == 10
    left.close()
    turns(loop)


def test_frames_that_no_read_ends_with_have_a_wait_each(loop: EventLoop, clock: ManualClock, twin: ModuleType) -> None:
    server = FrameRecorder()
    left, _, _ = wire(loop, Recorder(), server, limits=Limits(frame_timeout=10))
    stream = Framing().encode_many([bytes(100)] * 10)
    for begin in range(0, len(stream), 100):  # each read ends the frame before it and begins the next
        left.write(stream[begin : begin + 100])
        turns(loop, 2)
        clock.advance(4)
    turns(loop)
    assert len(server.messages) == 10
    assert not server.ended
    left.close()
    turns(loop)


def test_a_frame_begun_behind_others_is_bounded_from_its_own_first_byte(
    loop: EventLoop, clock: ManualClock, twin: ModuleType
) -> None:
    server = FrameRecorder()
    left, _, _ = wire(loop, Recorder(), server, limits=Limits(frame_timeout=10))
    frame = Framing().encode(bytes(100))
    left.write(frame[:50])
    turns(loop, 2)
    clock.advance(9)
    left.write(frame[50:] + frame[:50])
    turns(loop, 2)
    clock.advance(9)
    turns(loop, 2)
    assert not server.ended
    clock.advance(1)
    turns(loop)
    assert isinstance(server.lost, ConnectionTimeout)


@pytest.mark.parametrize("taken", [1, 10])
def test_a_peer_that_takes_nothing_meets_the_write_timeout(loop: EventLoop, clock: ManualClock, taken: int) -> None:
    one = Recorder()
    left, right, sock = wire(loop, one, Recorder(), capacity=10, limits=Limits(write_timeout=10))
    right.pause_reading()
    left.write(bytes(100))
    turns(loop)
    clock.advance(9)
    del sock.peer.incoming[:taken]  # one byte is progress, too
    turns(loop)
    clock.advance(9)
    turns(loop)
    assert not one.ended
    clock.advance(1)
    turns(loop)
    assert "write_timeout" in str(one.lost)
    right.abort()
    turns(loop)


@pytest.mark.parametrize(("argument", "seconds"), [(None, 5), (2, 2)])
def test_close_is_bounded_then_resets(
    loop: EventLoop, clock: ManualClock, argument: float | None, seconds: float
) -> None:
    one = Recorder()
    left, right, sock = wire(loop, one, Recorder(), capacity=10)
    right.pause_reading()
    left.write(bytes(100))
    left.close(timeout=argument)
    turns(loop)
    clock.advance(seconds - 0.1)
    turns(loop)
    assert not one.ended
    clock.advance(0.1)
    turns(loop)
    assert "close_timeout" in str(one.lost)
    assert sock.was_reset
    right.abort()
    turns(loop)


def test_extra_info_tells_the_peer(loop: EventLoop) -> None:
    left, right, sock = wire(loop, Recorder(), Recorder())
    assert left.get_extra_info("peername") == ("127.0.0.1", 40002) == right.get_extra_info("sockname")
    assert left.get_extra_info("sockname") == ("127.0.0.1", 40001) == right.get_extra_info("peername")
    assert left.get_extra_info("socket") is sock
    assert left.get_extra_info("nothing", 5) == 5
    left.close()
    turns(loop)
