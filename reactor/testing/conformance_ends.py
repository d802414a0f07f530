"""Promises of ends: close, abort, the peer's end, exceptions, and every call from inside every callback."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ConnectionTimeout
from ..transport import Limits
from .conformance_stage import CHUNK, FramedWitness, Promises, Stage, Witness, raises

PROMISES = Promises()


@PROMISES(51)
def close_sends_what_waits(stage: Stage) -> None:
    """close() sends what waits, then connection_lost(None) comes; the peer gets all, then the end."""
    one, other = stage.pair()
    stage.clog(one, other)
    one.do("close")
    stage.settle()
    assert one.transport.is_closing()
    assert not one.ends, "the end came while bytes waited"
    other.do("resume_reading")
    stage.ended(one, other)
    assert other.data == one.sent
    assert (one.lost, other.lost) == (None, None)


@PROMISES(52)
def close_is_idempotent(stage: Stage) -> None:
    """close() may be called twice; is_closing() is True at once; connection_lost comes later."""
    one, other = stage.pair()
    assert not one.transport.is_closing()
    one.do("close")
    assert one.transport.is_closing()
    one.do("close")
    assert not one.ends
    stage.ended(one, other)
    one.do("close")
    stage.settle()


@PROMISES(53)
def abort_drops_what_waits(stage: Stage) -> None:
    """abort() drops what waits, also after close(), twice, and after the end; connection_lost(None) comes later."""
    for methods in ("abort", "abort"), ("close", "abort"), ("abort", "close"):
        with stage.another(" then ".join(methods)) as again:
            one, other = again.pair()
            again.clog(one, other)
            for method in methods:
                one.do(method)
            assert one.transport.is_closing()
            assert not one.ends
            assert one.size == 0
            again.ended(one)
            other.do("resume_reading")
            again.ended(other)
            assert one.lost is None
            assert len(other.data) < len(one.sent)
            one.do("abort")


@PROMISES(54)
def nothing_comes_after_an_end(stage: Stage) -> None:
    """After close() and abort() nothing is delivered, however much the peer sends."""
    for method in "close", "abort":
        with stage.another(method) as again:
            one, other = again.pair()
            other.write(CHUNK * 4)
            again.came(one, "data_received")
            one.do(method)
            before = len(one.data)
            again.ended(one, other)
            assert len(one.data) == before


@PROMISES(55)
def close_is_bounded(stage: Stage) -> None:
    """close() gives up when nothing leaves for close_timeout: the cause is ConnectionTimeout, and the peer is reset."""
    one, other = stage.pair(Limits(close_timeout=0.05))
    stage.clog(one, other)
    one.do("close")
    stage.ended(one)
    assert isinstance(one.lost, ConnectionTimeout)
    other.do("resume_reading")
    stage.ended(other)


@PROMISES(92)
def silence_is_bounded(stage: Stage) -> None:
    """set_read_timeout() ends who hears nothing for so long, with ConnectionTimeout; its peer sees EOF."""
    one, other = stage.pair()
    one.do("set_read_timeout", 0.05)
    stage.ended(one, other)
    assert isinstance(one.lost, ConnectionTimeout)
    assert other.lost is None
    raises(ValueError, one.do, "set_read_timeout", 0)


@PROMISES(56)
def both_may_close_at_once(stage: Stage) -> None:
    """Both sides may close, or abort, in the same turn."""
    for methods in ("close", "close"), ("abort", "abort"), ("close", "abort"):
        with stage.another(" and ".join(methods)) as again:
            one, other = again.pair()
            one.do(methods[0])
            other.do(methods[1])
            again.ended(one, other)
            assert (one.lost, other.lost) == (None, None)


@PROMISES(57)
def the_peers_end_is_answered(stage: Stage) -> None:
    """A falsy eof_received(): what is queued there is still sent, then connection_lost(None) comes."""
    one, other = Witness(), Witness(eof_received=lambda self: self.write(CHUNK * 4))
    stage.connect(one, other)
    if not one.transport.can_write_eof():
        return
    one.do("write_eof")
    stage.ended(one, other)
    assert one.data == other.sent
    assert (one.lost, other.lost) == (None, None)


@PROMISES(58)
def both_may_end_alone(stage: Stage) -> None:
    """When both sides have called write_eof() the connection is over, whatever eof_received() returned."""
    one, other = Witness(keep_open=True), Witness(keep_open=True)
    stage.connect(one, other)
    if not one.transport.can_write_eof():
        return
    for each in one, other:
        each.write(CHUNK)
        each.do("write_eof")
    stage.ended(one, other)
    assert (one.data, other.data) == (other.sent, one.sent)
    assert (one.lost, other.lost) == (None, None)


@PROMISES(59)
def a_close_lasts_while_the_peer_takes(stage: Stage) -> None:
    """Who takes bytes all the while gets all that waited at close(), though it lasts longer than close_timeout."""
    patience = 0.3
    one, other = stage.pair(Limits(close_timeout=patience, max_write_buffer=None))
    stage.clog(one, other)
    while one.size < 3 * (len(one.sent) - one.size):  # more than two times what lies between: some is left till the end
        one.write(CHUNK)
    one.do("close")
    for _ in range(2):
        stage.pass_time(0.55 * patience)
        _read_a_part(stage, one, other)
    other.do("resume_reading")
    stage.ended(one, other)
    assert other.data == one.sent, f"{len(other.data)} of {len(one.sent)} bytes came"
    assert (one.lost, other.lost) == (None, None)


def _read_a_part(stage: Stage, writer: Witness, reader: Witness) -> None:
    """Let the reader read until some of what waits has left."""
    before = writer.size
    reader.do("resume_reading")
    stage.until(lambda: writer.size < before or writer.ends, "room for what waits")
    reader.do("pause_reading")


@PROMISES(60)
def a_hold_keeps_it_busy(stage: Stage) -> None:
    """While hold() is held a drain takes it for busy; let go of, once or twice, it ends in good order."""
    one, other = stage.pair()
    if not hasattr(one.transport, "close_when_quiet"):  # no server drains it
        return
    hold = one.do("hold")
    one.do("close_when_quiet")
    stage.settle()
    assert not one.transport.is_closing(), "it was closed while it was held"
    one.write(b"the answer")
    stage.arrived(one, other)
    stage.settle()
    assert not one.transport.is_closing(), "it was closed behind what was sent while it was held"
    for _ in range(2):
        hold.release()
    stage.ended(one, other)
    assert (one.lost, other.lost) == (None, None)


# --- every callback


def _lead_to(stage: Stage, callback: str, one: Witness, other: Witness) -> None:
    """Bring about one callback of `one`."""
    stage.connect(one, other) if callback != "connection_made" else stage.begin(one, other)
    if callback == "data_received":
        other.write(b"data")
    elif callback == "message_received":
        other.write(bytes(4 * 3))
    elif callback in ("eof_received", "connection_lost"):
        other.do("close")
    elif callback in ("pause_writing", "resume_writing"):
        stage.clog(one, other)
        one.do("set_write_buffer_limits", 0)
        other.do("resume_reading")


CALLBACKS = (
    "connection_made",
    "data_received",
    "message_received",
    "eof_received",
    "pause_writing",
    "resume_writing",
    "connection_lost",
)


def _act_in(callback: str, act: Callable[[Any], object]) -> Witness:
    witness = FramedWitness() if callback == "message_received" else Witness()
    witness.acts[callback] = act
    return witness


class _Raised(Exception):
    """What the callbacks below raise."""


@PROMISES(61)
def an_exception_ends_that_connection(stage: Stage) -> None:
    """An exception in a callback is reported once; it is the cause that connection_lost is given."""
    for callback in CALLBACKS:
        with stage.another(callback) as again:
            error = _Raised(callback)

            def fail(self: Witness, error: _Raised = error) -> None:
                raise error

            one, other = _act_in(callback, fail), Witness()
            _lead_to(again, callback, one, other)
            again.ended(one)
            again.settle()
            assert again.take_reports() == [error]
            assert callback == "connection_lost" or one.lost is error, f"the cause is {one.lost!r}"


@PROMISES(62)
def the_first_cause_counts(stage: Stage) -> None:
    """An exception behind close() or abort() is reported, but connection_lost is given None: the first cause."""
    for method in "close", "abort":
        with stage.another(method) as again:

            def fail(self: Witness, method: str = method) -> None:
                self.do(method)
                raise _Raised(method)

            one, other = Witness(data_received=fail), Witness()
            again.connect(one, other)
            other.write(b"data")
            again.ended(one, other)
            assert [str(each) for each in again.take_reports()] == [method]
            assert one.lost is None


@PROMISES(63)
def an_interrupt_goes_through(stage: Stage) -> None:
    """KeyboardInterrupt and SystemExit in a callback leave the loop, and the connection works when it goes on."""

    for kind in KeyboardInterrupt, SystemExit:
        for callback in "connection_made", "data_received", "message_received", "resume_writing":
            with stage.another(f"{kind.__name__} in {callback}") as again:

                def interrupt(self: Witness, kind: type[BaseException] = kind) -> None:
                    raise kind

                one, other = _act_in(callback, interrupt), Witness()
                raises(kind, _lead_and_wait, again, callback, one, other)
                again.met(one, other)
                one.write(b"still here")
                again.arrived(one, other)


def _lead_and_wait(stage: Stage, callback: str, one: Witness, other: Witness) -> None:
    _lead_to(stage, callback, one, other)
    stage.came(one, callback)


# --- every call from every callback


def _from_every_callback(stage: Stage, act: Callable[[Stage, Witness], object]) -> None:
    failures = []
    for callback in CALLBACKS:
        try:
            with stage.another(callback) as again:
                one, other = _act_in(callback, partial(act, again)), Witness()
                _lead_to(again, callback, one, other)
                again.came(one, callback)
                again.settle()
        except AssertionError as exc:
            failures.append(str(exc))
    assert not failures, "; ".join(failures)


@PROMISES(71)
def close_from_every_callback(stage: Stage) -> None:
    """close() from inside every callback: nothing is raised, and connection_lost comes once."""
    _from_every_callback(stage, lambda _, self: self.do("close"))


@PROMISES(72)
def abort_from_every_callback(stage: Stage) -> None:
    """abort() from inside every callback: nothing is raised, and connection_lost comes once."""
    _from_every_callback(stage, lambda _, self: self.do("abort"))


@PROMISES(73)
def write_from_every_callback(stage: Stage) -> None:
    """write() from inside every callback: nothing is raised, and connection_lost comes once."""
    _from_every_callback(stage, lambda _, self: self.write(CHUNK))


@PROMISES(74)
def pause_from_every_callback(stage: Stage) -> None:
    """pause_reading() from inside every callback: nothing is raised, and connection_lost comes once."""
    _from_every_callback(stage, lambda _, self: self.do("pause_reading"))


@PROMISES(75)
def resume_from_every_callback(stage: Stage) -> None:
    """Pausing and resuming from inside every callback: nothing is raised, and connection_lost comes once."""

    def act(_: Stage, self: Witness) -> None:
        self.do("resume_reading")
        self.do("pause_reading")
        self.do("resume_reading")

    _from_every_callback(stage, act)


@PROMISES(76)
def set_protocol_from_every_callback(stage: Stage) -> None:
    """set_protocol() from inside every callback: the next one is told what follows, and the end, once."""
    _from_every_callback(stage, lambda _, self: self.hand_over(Witness()))


@PROMISES(77)
def stop_from_every_callback(stage: Stage) -> None:
    """stop() from inside every callback lets run() return, and everything goes on in the next one."""
    for callback in CALLBACKS:
        with stage.another(callback) as again:
            one, other = _act_in(callback, partial(_stop, again)), Witness()
            _lead_to(again, callback, one, other)
            if callback not in one.calls:
                again.run()
            assert callback in one.calls
            again.met(one, other)
            if not one.transport.is_closing():
                one.write(b"still here")
                again.arrived(one, other)


def _stop(stage: Stage, _: Witness) -> None:
    stage.loop.stop()


# --- facts


@PROMISES(91)
def extra_info_tells_facts(stage: Stage) -> None:
    """get_extra_info() tells "socket", "peername" and "sockname", and the default for what it doesn't know."""
    one, other = stage.pair()
    for each in one, other:
        assert each.transport.get_extra_info("socket") is not None
        assert each.transport.get_extra_info("peername") is not None
        assert each.transport.get_extra_info("sockname") is not None
        assert each.transport.get_extra_info("nothing") is None
        assert each.transport.get_extra_info("nothing", 5) == 5
    one.do("close")
    stage.ended(one, other)
    assert one.transport.get_extra_info("peername") is not None, "it must be known in connection_lost, too"
