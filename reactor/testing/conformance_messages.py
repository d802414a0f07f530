"""Promises of messages: however the bytes are cut, and whatever is done inside a message, none is lost or repeated."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import product
from typing import Any

from ..errors import FrameTooLarge, FrameTruncated
from ..framing import Framing
from .conformance_stage import CHUNK, FramedWitness, Promises, Stage, Witness

PROMISES = Promises()

MESSAGES = [bytes([index]) * index for index in range(6)]
BYTES = Framing().encode_many(MESSAGES)


def _send(stage: Stage, act: Callable[[Any], object], index: int) -> tuple[Witness, FramedWitness]:
    """Send all messages to one who acts inside the message with an index, and wait until it has."""
    one, other = Witness(), FramedWitness((index, act))
    stage.connect(one, other)
    one.write(BYTES)
    stage.until(lambda: len(other.messages) > index, f"message {index}")
    stage.settle()
    return one, other


def _at_each_index(stage: Stage, act: Callable[[Any], object], check: Callable[..., object]) -> None:
    for index in range(len(MESSAGES)):
        with stage.another(f"in message {index}") as again:
            check(again, index, *_send(again, act, index))


@PROMISES(81)
def messages_arrive_whole(stage: Stage) -> None:
    """Messages arrive whole and in order, however their bytes are cut, from none to many reads long."""
    one, other = FramedWitness(), FramedWitness()
    stage.connect(one, other)
    large = CHUNK * 3
    for byte in BYTES:
        one.do("write", bytes([byte]))
        stage.loop.run_once(0)
    one.send_many([*MESSAGES, large, b"", large[1:]])
    one.send(b"last")
    wanted = [*MESSAGES, *MESSAGES, large, b"", large[1:], b"last"]
    _all_come(stage, other, wanted)


@PROMISES(82)
def pausing_inside_a_message(stage: Stage) -> None:
    """Who pauses inside a message is given no other until it resumes, and then all of them, once."""

    def check(stage: Stage, index: int, _: Witness, other: FramedWitness) -> None:
        assert other.messages == MESSAGES[: index + 1]
        other.do("resume_reading")
        stage.until(lambda: len(other.messages) >= len(MESSAGES), "the other messages")
        assert other.messages == MESSAGES

    _at_each_index(stage, lambda self: self.do("pause_reading"), check)


@PROMISES(83)
def ending_inside_a_message(stage: Stage) -> None:
    """Who closes or aborts inside a message is given no other."""

    def check(stage: Stage, index: int, _: Witness, other: FramedWitness) -> None:
        stage.ended(other)
        assert other.messages == MESSAGES[: index + 1]
        assert other.lost is None

    _at_each_index(stage, lambda self: self.do("close"), check)
    _at_each_index(stage, lambda self: self.do("abort"), check)


@PROMISES(84)
def switching_inside_a_message(stage: Stage) -> None:
    """Another protocol, set inside a message, gets every byte behind that message."""

    def check(stage: Stage, index: int, one: Witness, other: FramedWitness) -> None:
        heir = other.heir
        assert heir is not None
        assert other.messages == MESSAGES[: index + 1]
        one.write(b"behind")
        rest = Framing().encode_many(MESSAGES[index + 1 :]) + b"behind"
        stage.until(lambda: len(heir.data) >= len(rest), "the bytes behind the message")
        assert heir.data == rest

    _at_each_index(stage, lambda self: self.hand_over(Witness()), check)


@PROMISES(85)
def an_exception_inside_a_message(stage: Stage) -> None:
    """An exception inside a message ends the connection: the messages before it were delivered, none behind it is."""

    def fail(self: Witness) -> None:
        raise LookupError("inside a message")

    def check(stage: Stage, index: int, _: Witness, other: FramedWitness) -> None:
        stage.ended(other)
        assert other.messages == MESSAGES[: index + 1]
        assert stage.take_reports() == [other.lost]

    _at_each_index(stage, fail, check)


@PROMISES(86)
def the_end_inside_a_frame(stage: Stage) -> None:
    """The peer's end inside a frame is FrameTruncated, behind every whole message before it."""
    for cut in range(1, 4 + 3):
        with stage.another(f"{cut} bytes of the frame came") as again:
            one, other = Witness(), FramedWitness()
            again.connect(one, other)
            one.write(BYTES + Framing().encode(b"cut")[:cut])
            one.do("close")
            again.ended(one, other)
            assert other.messages == MESSAGES
            assert isinstance(other.lost, FrameTruncated), f"the cause is {other.lost!r}"
            assert "eof_received" not in other.calls


@PROMISES(87)
def a_bad_frame_ends_the_stream(stage: Stage) -> None:
    """Messages before a bad frame are delivered and may be answered; the FramingError is the cause; none follows."""
    one = Witness()
    other = FramedWitness((len(MESSAGES) - 1, lambda self: self.send(b"answer")))
    stage.connect(one, other)
    stage.settle()
    one.do("write", BYTES + b"\xff" * 4 + BYTES)
    stage.ended(one, other)
    assert other.messages == MESSAGES
    assert isinstance(other.lost, FrameTooLarge)
    assert one.data == Framing().encode(b"answer")


@PROMISES(88)
def a_paused_bad_frame_waits(stage: Stage) -> None:
    """A bad frame behind a message that paused is met when reading resumes, not before."""
    one, other = Witness(), FramedWitness((len(MESSAGES) - 1, lambda self: self.do("pause_reading")))
    stage.connect(one, other)
    one.do("write", BYTES + b"\xff" * 4)
    stage.until(lambda: len(other.messages) == len(MESSAGES), "the messages before it")
    stage.settle()
    assert not other.ends
    other.do("resume_reading")
    stage.ended(one, other)
    assert isinstance(other.lost, FrameTooLarge)


@PROMISES(90)
def another_framing_inside_a_message(stage: Stage) -> None:
    """self.framing, assigned inside a message, holds for what comes behind it, and for what is sent from then on."""
    wide = Framing(8, byteorder="little")

    def assign(self: FramedWitness) -> None:
        self.send(b"before")
        self.framing = wide
        self.send(b"behind")

    for index in range(len(MESSAGES)):
        with stage.another(f"in message {index}") as again:
            one, other = Witness(), FramedWitness((index, assign))
            again.connect(one, other)
            one.do("write", Framing().encode_many(MESSAGES[: index + 1]) + wide.encode_many(MESSAGES[index + 1 :]))
            other.sent += Framing().encode(b"before") + wide.encode(b"behind")
            _all_come(again, other, MESSAGES)
            again.arrived(other, one)


@PROMISES(64)
def what_came_is_delivered_though_nothing_can_be_sent(stage: Stage) -> None:
    """Messages that came whole are delivered though sending fails; the cause is what sending met."""
    one, other = Witness(), FramedWitness((0, lambda self: self.do("pause_reading")))
    stage.connect(one, other)
    stage.settle()
    one.do("write", BYTES)
    stage.until(lambda: other.messages, "the first message")
    one.do("abort")
    stage.ended(one)
    other.send(CHUNK)
    stage.settle()
    assert not other.ends, "it has ended with messages that were not delivered"
    other.do("resume_reading")
    stage.ended(other)
    assert other.messages == MESSAGES, f"{other.messages} came"
    assert isinstance(other.lost, OSError), f"the cause is {other.lost!r}"


@PROMISES(65)
def a_broken_stream_may_be_answered(stage: Stage) -> None:
    """framing_failed(exc) comes once, behind every good message; what it sends leaves, then connection_lost(exc)."""
    one, other = Witness(), FramedWitness(framing_failed=lambda self: self.send(CHUNK))
    stage.connect(one, other)
    stage.settle()
    one.do("write", BYTES + b"\xff" * 4 + BYTES)
    stage.ended(one, other)
    assert other.messages == MESSAGES
    assert other.calls.count("framing_failed") == 1, "framing_failed never came"
    assert isinstance(other.failed, FrameTooLarge)
    assert other.lost is other.failed
    assert one.data == Framing().encode(CHUNK), f"{len(one.data)} bytes of the answer came"


@PROMISES(66)
def an_end_between_frames_is_clean(stage: Stage) -> None:
    """The peer's end between frames is clean, though TLS said no goodbye: eof_received, then connection_lost(None)."""
    one, other = Witness(), FramedWitness()
    stage.connect(one, other)
    stage.settle()
    one.do("write", BYTES)
    _all_come(stage, other, MESSAGES)
    one.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)  # behind the transport's back, and TLS's
    stage.ended(other)
    assert "eof_received" in other.calls
    assert other.lost is None, f"the cause is {other.lost!r}"


_HARMLESS: dict[str, tuple[Any, ...]] = {
    "write": (b"",),
    "writelines": ([],),
    "set_write_buffer_limits": (),
    "get_write_buffer_size": (),
    "pause_reading": (),
    "resume_reading": (),
    "get_extra_info": ("socket",),
}


def _all_come(stage: Stage, receiver: FramedWitness, wanted: list[bytes]) -> None:
    stage.until(lambda: len(receiver.messages) >= len(wanted), "every message")
    assert receiver.messages == wanted, f"{receiver.messages} came"


def _ways(one: FramedWitness) -> list[Callable[[bytes], object]]:
    """Return every way of writing one message."""
    return [
        one.send,
        lambda message: one.send_many([message]),
        lambda message: one.do("write", Framing().encode(message)),
        lambda message: one.do("writelines", [Framing().encode(message)]),
    ]


@PROMISES(89)
def every_way_of_writing_keeps_the_order(stage: Stage) -> None:
    """send(), send_many(), write() and writelines() leave in the order of the calls, whatever is asked in between."""
    for method, arguments in _HARMLESS.items():
        with stage.another(f"{method}() in between") as again:
            one, other = FramedWitness(), FramedWitness()
            again.connect(one, other)
            ways = _ways(one)
            wanted = []
            for number, (first, second) in enumerate(product(ways, ways)):
                wanted += [bytes([number]), bytes([number, 2])]
                first(wanted[-2])
                one.do(method, *arguments)
                second(wanted[-1])
                again.loop.run_once(0)
            _all_come(again, other, wanted)


@PROMISES(80)
def lowered_marks_count_for_messages(stage: Stage) -> None:
    """Marks that are set count for the messages that are sent from then on."""
    one, other = FramedWitness(), FramedWitness()
    stage.connect(one, other)
    one.send(b"first")
    one.do("set_write_buffer_limits", 100)
    one.send(CHUNK[:100])
    assert "pause_writing" in one.calls or one.size <= 100, f"{one.size} bytes wait, and it is not paused"
    other.do("pause_reading")
    while "pause_writing" not in one.calls:
        one.send(CHUNK[:1000])
        assert "pause_writing" in one.calls or one.size <= 100, f"{one.size} bytes wait, and it is not paused"
    other.do("resume_reading")
    stage.came(one, "resume_writing")
