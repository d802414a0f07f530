"""Promises of bytes: they come in order, only while they may, and as they were written."""

from __future__ import annotations

from operator import methodcaller

from ..framing import Framing
from ..transport import Limits
from .conformance_stage import CHUNK, BufferedWitness, FramedWitness, Promises, Stage, Witness, raises

PROMISES = Promises()


# --- order


@PROMISES(11)
def made_then_data_then_eof_then_lost(stage: Stage) -> None:
    """connection_made, data_received, eof_received, connection_lost(None) come in this order."""
    one, other = stage.pair()
    one.write(b"first")
    one.write(b"second")
    one.do("close")
    stage.ended(one, other)
    assert other.data == b"firstsecond"
    assert [each for each in other.calls if each != "data_received"] == [
        "connection_made",
        "eof_received",
        "connection_lost",
    ]
    assert one.calls == ["connection_made", "connection_lost"]
    assert (one.lost, other.lost) == (None, None)


@PROMISES(12)
def reading_begins_after_made(stage: Stage) -> None:
    """What the peer sends at once comes after connection_made has returned."""
    one = Witness(connection_made=lambda self: self.write(b"from one"))
    other = Witness(connection_made=lambda self: self.write(b"from other"))
    stage.connect(one, other)
    stage.arrived(one, other)
    stage.arrived(other, one)


@PROMISES(13)
def pausing_in_made_holds(stage: Stage) -> None:
    """Who pauses in connection_made is given nothing until it resumes."""
    one, other = Witness(), Witness(connection_made=lambda self: self.do("pause_reading"))
    stage.connect(one, other)
    one.write(b"early")
    stage.settle()
    assert other.data == b""
    other.do("resume_reading")
    stage.arrived(one, other)


@PROMISES(14)
def ending_in_made_delivers_nothing(stage: Stage) -> None:
    """close() or abort() in connection_made: connection_lost(None) follows, and nothing comes in between."""
    for method in "close", "abort":
        with stage.another(f"{method}() in connection_made") as again:
            one = Witness()
            one.acts["connection_made"] = methodcaller("do", method)
            again.begin(one, Witness(connection_made=lambda self: self.write(b"too late")))
            again.ended(one)
            assert one.calls == ["connection_made", "connection_lost"]
            assert one.lost is None


@PROMISES(15)
def made_comes_before_pause(stage: Stage) -> None:
    """Nothing comes before connection_made, not even pause_writing, however low the high mark is."""
    one, other = stage.pair(Limits(high_water=0, low_water=0))
    one.write(b"data")
    stage.arrived(one, other)


# --- reading


@PROMISES(21)
def nothing_comes_while_paused(stage: Stage) -> None:
    """While reading is paused nothing comes, afterwards all of it; both calls are idempotent, is_reading() tells."""
    one, other = stage.pair()
    assert other.transport.is_reading()
    for _ in range(2):
        other.do("pause_reading")
    one.write(b"held")
    stage.settle()
    assert not other.transport.is_reading()
    assert other.data == b""
    for _ in range(2):
        other.do("resume_reading")
    assert other.transport.is_reading()
    stage.arrived(one, other)


@PROMISES(22)
def pausing_inside_data_holds_the_rest(stage: Stage) -> None:
    """Who pauses in data_received is given nothing more, and nothing is lost when it resumes."""
    one, other = Witness(), Witness()
    stage.connect(one, other)
    one.write(CHUNK * 4)
    for _ in range(5):
        other.acts["data_received"] = lambda self: self.do("pause_reading")
        before = len(other.data)
        stage.until(lambda: not other.transport.is_reading() or len(other.data) == len(one.sent), "data")
        stage.settle()
        assert len(other.data) > before or len(other.data) == len(one.sent)
        other.do("resume_reading")
    stage.arrived(one, other)


@PROMISES(23)
def the_end_waits_while_paused(stage: Stage) -> None:
    """The peer's end waits behind its data while reading is paused."""
    one, other = stage.pair()
    other.do("pause_reading")
    one.write(b"last words")
    one.do("close")
    stage.settle()
    assert other.calls == ["connection_made"]
    other.do("resume_reading")
    stage.ended(other)
    assert other.data == b"last words"
    assert other.lost is None


@PROMISES(24)
def pausing_is_harmless_at_the_end(stage: Stage) -> None:
    """Pausing and resuming after close() and after connection_lost does nothing."""
    one, other = stage.pair()
    other.write(b"too late")
    one.do("close")
    for method in "pause_reading", "resume_reading":
        one.do(method)
    stage.ended(one, other)
    for method in "pause_reading", "resume_reading":
        one.do(method)
    assert not one.transport.is_reading()


@PROMISES(25)
def another_protocol_gets_what_follows(stage: Stage) -> None:
    """set_protocol() gives all that follows to another protocol, which get_protocol() returns."""
    one, other = stage.pair()
    heir = Witness()
    one.write(b"before")
    stage.arrived(one, other)
    other.do("pause_reading")
    one.write(b"behind")
    stage.settle()
    other.hand_over(heir)
    assert heir.transport.get_protocol() is heir
    heir.do("resume_reading")
    stage.until(lambda: heir.data == b"behind", "what follows")
    heir.write(b"answer")
    stage.until(lambda: one.data == b"answer", "its answer")


@PROMISES(26)
def what_was_read_too_far_comes_first(stage: Stage) -> None:
    """set_protocol(protocol, initial) gives it those bytes first: as bytes, into its buffers, or as messages."""
    for kind in Witness, BufferedWitness, FramedWitness:
        with stage.another(kind.__name__) as again:
            _give_initial(again, kind())


def _give_initial(stage: Stage, heir: Witness) -> None:
    first, last = Framing().encode(b"read too far"), Framing().encode(b"comes later")
    one, other = Witness(), Witness()
    other.acts["data_received"] = lambda self: self.hand_over(heir, first + last[:3])
    stage.connect(one, other)
    one.do("write", b"switch")
    stage.until(lambda: _given(heir)[: len(first)] == first, "initial, though nothing more was sent")
    one.do("write", last[3:])
    stage.until(lambda: len(_given(heir)) >= len(first + last), "what follows")
    assert _given(heir) == first + last, f"it was given {_given(heir)!r}"


def _given(witness: Witness) -> bytes:
    if isinstance(witness, FramedWitness):
        return Framing().encode_many(witness.messages)
    return bytes(witness.data)


# --- writing


@PROMISES(31)
def writes_arrive_in_order(stage: Stage) -> None:
    """Bytes arrive in the order of the calls, write() and writelines() alike, whatever their sizes."""
    one, other = stage.pair()
    for size in (1, 100, 70_000, 0, 16 * 1024, 5, len(CHUNK), 1):
        one.write(CHUNK[:size])
        lines = [CHUNK[size : size + 7], b"", CHUNK[: size // 2]]
        one.sent += b"".join(lines)
        one.do("writelines", iter(lines))
    stage.arrived(one, other)


@PROMISES(32)
def the_caller_may_reuse_its_buffer(stage: Stage) -> None:
    """A bytearray may be changed as soon as write() or writelines() has returned."""
    one, other = stage.pair()
    data = bytearray(b"first")
    one.do("write", data)
    data[:] = b"other"
    one.do("write", memoryview(data)[::2])
    one.do("writelines", [data, memoryview(data)])
    data[:] = b"wrong"
    one.sent += b"firstohrotherother"
    stage.arrived(one, other)


@PROMISES(33)
def only_bytes_are_written(stage: Stage) -> None:
    """What isn't bytes-like is a TypeError at once, and nothing of that call is sent."""
    one, other = stage.pair()
    for wrong in "text", 5, None:
        raises(TypeError, one.do, "write", wrong)
        raises(TypeError, one.do, "writelines", [b"never sent", wrong])
    one.write(b"goes on")
    stage.arrived(one, other)


@PROMISES(34)
def nothing_written_is_nothing(stage: Stage) -> None:
    """Writing nothing sends nothing and ends nothing."""
    one, other = stage.pair()
    one.do("write", b"")
    one.do("writelines", [])
    one.do("writelines", [b"", b""])
    stage.settle()
    assert one.size == 0
    assert other.calls == ["connection_made"]
    one.write(b"goes on")
    stage.arrived(one, other)


@PROMISES(35)
def both_directions_at_once(stage: Stage) -> None:
    """Both sides may write much at once; at the end nothing waits."""
    one, other = stage.pair()
    for _ in range(8):
        one.write(CHUNK)
        other.write(CHUNK[::-1])
    stage.arrived(one, other)
    stage.arrived(other, one)
    stage.settle()
    assert (one.size, other.size) == (0, 0)


@PROMISES(36)
def writes_after_close_are_dropped(stage: Stage) -> None:
    """After close(), abort() and the end, writes are dropped and counted, and raise nothing."""
    one, other = stage.pair()
    one.write(b"before")
    one.do("close")
    one.do("write", b"behind")
    one.do("writelines", [b"behind"])
    stage.ended(one, other)
    one.do("write", b"behind")
    assert other.data == b"before"
    assert one.dropped == 3


@PROMISES(37)
def one_side_may_end_alone(stage: Stage) -> None:
    """write_eof() ends one direction behind its data, once; the other goes on. Writing more is a RuntimeError."""
    one, other = Witness(), Witness(keep_open=True)
    stage.connect(one, other)
    if not one.transport.can_write_eof():
        return raises(RuntimeError, one.do, "write_eof")
    one.write(CHUNK * 4)
    one.do("write_eof")
    one.do("write_eof")
    raises(RuntimeError, one.do, "write", b"more")
    raises(RuntimeError, one.do, "writelines", [b"more"])
    stage.came(other, "eof_received")
    assert other.data == one.sent
    other.write(CHUNK * 4)
    stage.arrived(other, one)
    assert not one.ends
    other.do("close")
    stage.ended(one, other)
    return None
