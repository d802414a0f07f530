"""Promises of flow: who writes faster than the peer reads is told so, and what may wait is bounded."""

from __future__ import annotations

from ..errors import WriteBufferFull
from ..framing import Framing
from ..transport import Limits
from ..transport.limits import Overflow
from .conformance_stage import CHUNK, FramedWitness, Promises, Stage, Witness, raises

PROMISES = Promises()


@PROMISES(40)
def no_pause_after_the_end(stage: Stage) -> None:
    """After close() and abort() pause_writing never comes, though there is much and the marks are lowered."""
    for method in "close", "abort":
        with stage.another(method) as again:
            one, other = again.pair()
            again.clog(one, other)
            one.do("set_write_buffer_limits", one.size)
            one.do(method)
            assert "pause_writing" not in one.calls, f"it came from inside {method}()"
            one.do("set_write_buffer_limits", 0)
            other.do("resume_reading")
            again.ended(one, other)


@PROMISES(41)
def pause_comes_above_the_mark(stage: Stage) -> None:
    """pause_writing comes from inside write(), once, when more than the high mark waits: not at the mark."""
    one, other = stage.pair()
    stage.clog(one, other)
    one.do("set_write_buffer_limits", one.size)
    one.do("write", b"")
    assert "pause_writing" not in one.calls, "it came at the mark"
    one.write(b"x")
    assert one.calls[-1] == "pause_writing", "it didn't come from inside write()"
    one.do("writelines", [b"y"])
    assert one.calls.count("pause_writing") == 1


@PROMISES(42)
def resume_comes_at_the_low_mark(stage: Stage) -> None:
    """resume_writing comes once at most the low mark waits, never from inside write(); both come in turns."""
    one, other = stage.pair()
    sizes: list[int] = []
    for count in range(1, 4):
        stage.clog(one, other)
        one.do("set_write_buffer_limits", one.size, low := min(1000, one.size))
        one.write(CHUNK)
        one.acts["resume_writing"] = lambda self: sizes.append(self.size)
        other.do("resume_reading")
        stage.arrived(one, other)
        stage.settle()
        assert len(sizes) == count, "resume_writing never came"
        assert sizes[-1] <= low, f"resume_writing came while {sizes[-1]} bytes waited"
        assert one.calls.count("pause_writing") == one.calls.count("resume_writing") == count


@PROMISES(43)
def no_resume_after_the_end(stage: Stage) -> None:
    """Who is paused when it closes or aborts is never told to resume."""
    for method in "close", "abort":
        with stage.another(method) as again:
            one, other = again.pair()
            again.clog(one, other)
            one.do("set_write_buffer_limits", 0)
            one.do(method)
            other.do("resume_reading")
            again.ended(one, other)
            assert "pause_writing" in one.calls
            assert "resume_writing" not in one.calls


@PROMISES(44)
def the_marks_may_be_nothing(stage: Stage) -> None:
    """With a high mark of 0 any byte that waits pauses, and none that waits resumes."""
    one, other = stage.pair()
    one.do("set_write_buffer_limits", 0)
    other.do("pause_reading")
    while "pause_writing" not in one.calls:
        one.write(CHUNK)
    assert one.size > 0
    other.do("resume_reading")
    one.acts["resume_writing"] = lambda self: self.wrongs.append("early") if self.size else None
    stage.came(one, "resume_writing")
    stage.arrived(one, other)


@PROMISES(45)
def the_marks_are_asyncios(stage: Stage) -> None:
    """set_write_buffer_limits() reckons as asyncio's, and refuses a low mark above the high one."""
    one, _ = stage.pair(Limits(high_water=400, low_water=40))
    assert one.transport.get_write_buffer_limits() == (40, 400)
    for given, wanted in {
        (100, None): (25, 100),
        (None, 10): (10, 40),
        (7, 7): (7, 7),
        (None, None): (100, 400),
    }.items():
        one.do("set_write_buffer_limits", *given)
        assert one.transport.get_write_buffer_limits() == wanted
    raises(ValueError, one.do, "set_write_buffer_limits", 1, 2)
    raises(ValueError, one.do, "set_write_buffer_limits", -1)


@PROMISES(46)
def a_lowered_mark_pauses_and_resumes(stage: Stage) -> None:
    """Who is paused because the marks were lowered is told to resume, too."""
    for more in 0, 1, len(CHUNK):
        with stage.another(f"{more} bytes are written behind") as again:
            one, other = again.pair()
            one.write(bytes(100))
            one.do("set_write_buffer_limits", 10)
            assert one.calls[-1] == "pause_writing", "it didn't come from inside set_write_buffer_limits()"
            one.write(CHUNK[:more])
            again.arrived(one, other)
            again.settle()
            assert one.calls[-1] == "resume_writing", "resume_writing never came"


def _overfill(stage: Stage, cap: int) -> None:
    """Write until the cap is met, with big writes, then to the brim with small ones."""
    one, _ = stage._cast
    for size in 64 * 1024, 1024, 1:
        for _ in range(4 * 1024):
            before = one.size, one.dropped
            one.do("write", CHUNK[:size])
            assert one.size <= cap, f"{one.size} bytes wait, the cap is {cap}"
            if one.transport.is_closing() or one.dropped != before[1]:
                break
            one.sent += CHUNK[:size]


@PROMISES(47)
def the_cap_may_abort(stage: Stage) -> None:
    """overflow="abort": a write that would let more than max_write_buffer wait ends it with WriteBufferFull."""
    cap = 1 << 20
    one, other = stage.pair(Limits(max_write_buffer=cap))
    stage.clog(one, other)
    _overfill(stage, cap)
    assert one.transport.is_closing()
    stage.ended(one)
    assert isinstance(one.lost, WriteBufferFull)


@PROMISES(48)
def the_cap_may_raise(stage: Stage) -> None:
    """overflow="raise": a write that would let more than max_write_buffer wait raises and queues nothing."""
    cap = 1 << 20
    one, other = stage.pair(Limits(max_write_buffer=cap, overflow="raise"))
    stage.clog(one, other)
    before = one.size
    raises(WriteBufferFull, one.do, "write", bytes(cap + 1 - before))
    raises(WriteBufferFull, one.do, "writelines", [bytes(cap - before), b"x"])
    assert one.size == before
    other.do("resume_reading")
    stage.arrived(one, other)


@PROMISES(49)
def the_cap_may_drop(stage: Stage) -> None:
    """overflow="drop": a write that would let more than max_write_buffer wait is forgotten whole, and counted."""
    cap = 1 << 20
    one, other = stage.pair(Limits(max_write_buffer=cap, overflow="drop"))
    stage.clog(one, other)
    _overfill(stage, cap)
    assert one.dropped == 3
    other.do("resume_reading")
    stage.arrived(one, other)


@PROMISES(38)
def a_large_message_is_taken(stage: Stage) -> None:
    """A message larger than max_write_buffer that finds nothing waiting is taken, whatever `overflow` says."""
    overflows: tuple[Overflow, ...] = "abort", "raise", "drop"
    for overflow in overflows:
        for way in "write", "writelines", "send":
            with stage.another(f"{way}(), {overflow}") as again:
                one, other = FramedWitness(), Witness()
                again.connect(one, other, Limits(max_write_buffer=100_000, overflow=overflow))
                again.settle()  # a handshake may have an end that waits
                one.sent += Framing().encode(CHUNK)
                if way == "send":
                    one.send(CHUNK)
                else:
                    one.do(way, *{"write": (one.sent,), "writelines": ([one.sent[:4], CHUNK],)}[way])
                again.arrived(one, other)
                assert one.dropped == 0


@PROMISES(39)
def the_cap_counts_all_that_waits(stage: Stage) -> None:
    """However many and small the writes are, no more than max_write_buffer waits, and the size counts all of it."""
    cap = 256 * 1024
    one, other = stage.pair(Limits(max_write_buffer=cap, overflow="drop"))
    stage.clog(one, other, CHUNK[: 8 * 1024])  # so that what waits is what is written below
    for lines in [b"x"] * (cap // 8), [b"x"], [b"y"] * (cap // 32):
        for _ in range(64):
            before = one.size, one.dropped
            one.do("writelines", lines)
            if one.dropped != before[1]:
                break
            one.sent += b"".join(lines)
            assert before[0] + len(lines) <= one.size <= cap, f"{one.size} bytes wait, the cap is {cap}"
    other.do("resume_reading")
    stage.arrived(one, other)
