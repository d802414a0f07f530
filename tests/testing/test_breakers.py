"""Transports that break one promise each: what shows that the conformance suite would notice.

A breaker changes what the two witnesses see (`seen`), what a transport does (`does`), or the limits it is given
(`limits`). All run in memory: over the very `Connection` that keeps every promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from reactor import EventLoop, Limits
from reactor.testing import MemorySelector, check_transport, memory, memory_pair
from reactor.testing.conformance import PROMISES, Maker
from reactor.transport import Connection


class Breaker(NamedTuple):
    """What is wrong with a transport: a function of the witness, methods of the connection, or other limits."""

    spoil: Callable[[Any], object] = lambda witness: None
    methods: Mapping[str, Callable[..., Any]] = MappingProxyType({})
    limits: Mapping[str, Any] = MappingProxyType({})

    def maker(self) -> Maker:
        """Return what connects two over the broken transport."""
        broken = type("Broken", (Connection,), dict(self.methods))

        @contextmanager
        def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
            for each in one, other:
                self.spoil(each)
            with pytest.MonkeyPatch.context() as patch, EventLoop(MemorySelector()) as loop:
                patch.setattr(memory, "Connection", broken)
                both = memory_pair(loop, one, other, limits=replace(limits, **self.limits), capacity=64 * 1024)
                try:
                    yield loop
                finally:
                    for each in both:
                        Connection.abort(each)
                    loop.run_once(0)

        return make


# --- what the witnesses see


def sees(callback: str, wrapper: Callable[..., Any]) -> Breaker:
    """Let a callback be called through `wrapper(witness, original, *args)`."""

    def spoil(witness: Any) -> None:
        original = getattr(witness, callback, None)
        if original is not None:
            setattr(witness, callback, partial(wrapper, witness, original))

    return Breaker(spoil)


def never(callback: str) -> Breaker:
    return sees(callback, lambda *_: None)


def twice(callback: str) -> Breaker:
    return sees(callback, lambda _, original, *args: (original(*args), original(*args)))


def swallows(callback: str, kind: type[BaseException] = Exception) -> Breaker:
    """Let nobody know what a callback raises."""

    def call(_: Any, original: Callable[..., Any], *args: Any) -> None:
        try:
            original(*args)
        except kind:
            return

    return sees(callback, call)


def ends_with(cause: BaseException | None) -> Breaker:
    """Give connection_lost this, whatever the cause is."""
    return sees("connection_lost", lambda _, original, exc: original(cause))


def aborts_behind(callback: str) -> Breaker:
    return sees(callback, lambda witness, original, *args: (original(*args), witness.transport.abort()))


def keeps_its_framing(witness: Any) -> None:
    """Let what is assigned to `framing` be forgotten."""
    kind, framing = type(witness), getattr(witness, "framing", None)
    if framing is not None:
        witness.__class__ = type(kind.__name__, (kind,), {"framing": property(lambda _: framing, lambda *_: None)})


def loses_all_but_the_first(witness: Any, original: Callable[[bytes], object], message: bytes) -> None:
    if not witness.messages:
        original(message)


def loses_empty_ones(_: Any, original: Callable[[bytes], object], message: bytes) -> None:
    if message:
        original(message)


# --- what a transport does


def does(**methods: Callable[..., Any]) -> Breaker:
    return Breaker(methods=methods)


def nothing(method: str) -> Breaker:
    """Let a method do nothing."""
    return does(**{method: lambda self, *args: None})


def fails(method: str) -> Breaker:
    """Let a method raise."""

    def fail(self: Connection, *args: Any) -> None:
        raise RuntimeError(f"{method}() is broken")

    return does(**{method: fail})


def also(method: str, more: Callable[[Connection], object]) -> Breaker:
    """Let a method do something more."""

    def act(self: Connection, *args: Any) -> Any:
        result = getattr(Connection, method)(self, *args)
        more(self)
        return result

    return does(**{method: act})


def given(method: str, change: Callable[..., tuple[Any, ...]]) -> Breaker:
    """Let a method be given other arguments."""
    return does(**{method: lambda self, *args: getattr(Connection, method)(self, *change(*args))})


def tells(method: str, answer: Any) -> Breaker:
    """Let a method return always the same."""
    return does(**{method: lambda self, *args: answer})


def pause_before_made(self: Any) -> None:
    protocol = self.get_protocol()
    protocol.transport = self
    protocol.pause_writing()
    Connection.start(self)


def write_when_open(self: Any, data: Any) -> None:
    if self.is_closing():
        raise RuntimeError("write() after close()")
    Connection.write(self, data)


def write_only_bytes(self: Any, data: Any) -> None:
    if isinstance(data, (bytes, bytearray, memoryview)):
        Connection.write(self, data)


def pause_when_open(self: Any) -> None:
    if self.is_closing():
        raise RuntimeError("pause_reading() after close()")
    Connection.pause_reading(self)


def write_later(self: Any, data: Any) -> None:
    self._loop.call_soon(Connection.write, self, data)


def writelines_later(self: Any, chunks: Any) -> None:
    self._loop.call_soon(Connection.writelines, self, list(chunks))


def write_at_most_the_cap(self: Any, data: Any) -> None:
    cap = self._limits.max_write_buffer
    Connection.write(self, data) if len(data) <= cap else self.abort()


def lend_no_hold(self: Any) -> Any:
    hold = Connection.hold(self)
    hold.release()
    return hold


BREAKERS: dict[int, Breaker] = {
    11: never("eof_received"),
    12: never("data_received"),
    13: nothing("pause_reading"),
    14: nothing("close"),
    15: does(start=pause_before_made),
    21: nothing("pause_reading"),
    22: does(pause_reading=lambda self: None, is_reading=lambda self: False),
    23: nothing("pause_reading"),
    24: does(pause_reading=pause_when_open),
    25: does(set_protocol=lambda self, protocol: setattr(protocol, "transport", self)),
    26: given("set_protocol", lambda protocol, *initial: (protocol,)),
    31: given("write", lambda data: (data[::-1],)),
    32: does(write=write_later),
    33: does(write=write_only_bytes),
    34: given("write", lambda data: (data or b"\0",)),
    35: tells("get_write_buffer_size", 1),
    36: does(write=write_when_open),
    37: nothing("write_eof"),
    38: does(write=write_at_most_the_cap),
    39: Breaker(limits={"max_write_buffer": None}),
    40: also("close", lambda self: self.get_protocol().pause_writing()),
    41: given("set_write_buffer_limits", lambda high, *low: (min(high, 1 << 29) - (high < 1 << 30), *low)),
    42: never("resume_writing"),
    43: also("close", lambda self: self.get_protocol().resume_writing()),
    44: given("set_write_buffer_limits", lambda high, *low: (200_000, 100_000)),
    45: tells("get_write_buffer_limits", (400, 40)),
    46: never("resume_writing"),
    47: Breaker(limits={"overflow": "drop"}),
    48: Breaker(limits={"overflow": "drop"}),
    49: Breaker(limits={"overflow": "abort"}),
    51: does(close=Connection.abort),
    52: tells("is_closing", False),
    53: does(abort=Connection.close),
    54: also("close", lambda self: self.get_protocol().data_received(b"too late")),
    55: Breaker(limits={"close_timeout": None}),
    56: ends_with(OSError("the other was faster")),
    57: aborts_behind("eof_received"),
    58: nothing("write_eof"),
    59: also("close", lambda self: self._loop.call_later(0.3, self.abort)),
    60: does(hold=lend_no_hold),
    61: swallows("connection_made"),
    62: ends_with(OSError("behind the close")),
    63: swallows("connection_made", BaseException),
    64: sees("message_received", loses_all_but_the_first),
    65: never("framing_failed"),
    66: ends_with(OSError("no goodbye")),
    71: fails("close"),
    72: fails("abort"),
    73: fails("write"),
    74: fails("pause_reading"),
    75: fails("resume_reading"),
    76: twice("connection_lost"),
    77: nothing("write"),
    80: nothing("set_write_buffer_limits"),
    81: sees("message_received", loses_empty_ones),
    82: nothing("pause_reading"),
    83: nothing("close"),
    84: nothing("set_protocol"),
    85: swallows("message_received"),
    86: ends_with(None),
    87: ends_with(None),
    88: nothing("pause_reading"),
    89: does(writelines=writelines_later),
    90: Breaker(keeps_its_framing),
    91: tells("get_extra_info", None),
    92: nothing("set_read_timeout"),
}


def test_the_transport_below_them_keeps_every_promise() -> None:
    check_transport(Breaker().maker())


def test_no_promise_is_without_a_breaker() -> None:
    assert set(BREAKERS) == set(PROMISES)


@pytest.mark.parametrize("number", BREAKERS)
def test_the_suite_notices_a_transport_that_breaks_its_promise(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.testing.conformance_stage._PATIENCE", 0.2)
    with pytest.raises(AssertionError, match=f"promise {number} is broken"):
        check_transport(BREAKERS[number].maker(), only=[number])
