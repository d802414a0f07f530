"""Datagram transports that break one promise each: what shows that the conformance suite would notice.

All run in memory: over the very `DatagramEndpoint` that keeps every promise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reactor import DatagramEndpoint, EventLoop, Limits
from reactor.testing import MemorySelector, check_datagrams, memory_datagram_pair, memory_datagrams
from reactor.testing.conformance_datagrams import PROMISES, DatagramMaker
from reactor.transport.core import report_raised

Spoil = Callable[[Any], object]


def over(broken: type[DatagramEndpoint], spoil: Spoil = lambda endpoint: None) -> DatagramMaker:
    """Return what connects two over a broken transport, or one that is spoilt when it is made."""

    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with pytest.MonkeyPatch.context() as patch, EventLoop(MemorySelector()) as loop:
            patch.setattr(memory_datagrams, "DatagramEndpoint", broken)
            both = memory_datagram_pair(loop, one, other, limits=limits)
            for each in both:
                spoil(each)
            try:
                yield loop
            finally:
                for each in both:
                    DatagramEndpoint.abort(each)
                loop.run_once(0)

    return make


def broken(**methods: Any) -> type[DatagramEndpoint]:
    return type("Broken", (DatagramEndpoint,), {"__slots__": (), **methods})


def sends(change: Callable[[Any, Callable[..., object]], Callable[..., object]]) -> DatagramMaker:
    """Return transports whose sendto() is another one, made of the loop and the right one."""

    def spoil(endpoint: Any) -> None:
        endpoint.sendto = change(endpoint._loop, endpoint.sendto)

    return over(DatagramEndpoint, spoil)


def hears(callback: str, wrapper: Callable[..., object]) -> DatagramMaker:
    """Return transports whose protocols are called through `wrapper(original, *args)`."""

    def spoil(endpoint: Any) -> None:
        witness = endpoint.get_protocol()
        original = getattr(witness, callback)
        setattr(witness, callback, lambda *args: wrapper(original, *args))

    return over(DatagramEndpoint, spoil)


def open_and_start(self: Any, sock: Any) -> None:
    DatagramEndpoint.open(self, sock)
    self.start()


def tell_at_once(self: Any, exc: Exception) -> None:
    self.call("error_received", exc)


def report_alone(self: Any, exc: BaseException) -> None:
    if isinstance(exc, (KeyboardInterrupt, SystemExit)):
        raise exc
    report_raised(self._loop, exc, self, self._protocol)


def end_for_it(self: Any, exc: Exception, *_: Any) -> None:
    self.fail(exc)


def twice(call: Callable[..., object], *args: Any) -> None:
    call(*args)
    call(*args)


class Joining:
    """Puts two datagrams into one."""

    def __init__(self, loop: Any, send: Callable[..., object]) -> None:
        self.send, self.loop, self.waiting = send, loop, b""

    def __call__(self, data: Any, addr: Any = None) -> None:
        memoryview(data)
        if not self.waiting:
            self.loop.call_soon(self.flush)
        self.waiting += data

    def flush(self) -> None:
        self.send(self.waiting)
        self.waiting = b""


BREAKERS: dict[str, tuple[int, DatagramMaker]] = {
    "connection_made comes too soon": (101, over(broken(open=open_and_start))),
    "datagrams are joined": (102, sends(Joining)),
    "empty ones are left out": (102, sends(lambda loop, send: lambda data, addr=None: data and send(data))),
    "each comes twice": (105, hears("datagram_received", twice)),
    "data is kept by reference": (106, sends(lambda loop, send: lambda *args: loop.call_soon(send, *args))),
    "anything is sent": (107, sends(lambda loop, send: lambda data, addr=None: send(bytes(str(data), "ascii")))),
    "the old protocol goes on": (108, over(broken(set_protocol=lambda self, protocol: None))),
    "an error comes from inside sendto()": (111, over(broken(_note=tell_at_once))),
    "an error is told to nobody": (111, over(broken(_note=lambda self, exc: None))),
    "an error is the end": (112, over(broken(_note=end_for_it, receive_failed=end_for_it))),
    "drops are not counted": (113, over(broken(datagrams_dropped=0))),
    "there is no bound": (113, over(broken(admit=lambda self, size: True))),
    "nobody is paused": (115, over(broken(much_waits=lambda self: None))),
    "nobody is told to go on": (115, over(broken(turn_ended=lambda self: None))),
    "who waits for room waits for ever": (116, over(broken(_await_room=lambda self: None))),
    "close() drops": (121, over(broken(close=DatagramEndpoint.abort))),
    "close() does nothing": (121, over(broken(close=lambda self: None))),
    "abort() sends": (123, over(broken(abort=DatagramEndpoint.close))),
    "an exception is not the end": (126, over(broken(callback_raised=report_alone))),
    "an interrupt is kept": (127, over(broken(callback_raised=lambda self, exc: None))),
    "the end comes twice": (121, hears("connection_lost", twice)),
    "nothing is told": (131, over(broken(get_extra_info=lambda self, name, default=None: default))),
}


@pytest.mark.parametrize("what", BREAKERS)
def test_the_suite_notices(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.testing.conformance_stage._PATIENCE", 0.2)
    number, maker = BREAKERS[what]
    with pytest.raises(AssertionError, match=re.escape(f"promise {number} is broken: {PROMISES[number].sentence}")):
        check_datagrams(maker, only=[number])


def test_all_promises_are_checked_unless_some_are_named() -> None:
    check_datagrams(over(DatagramEndpoint))
