"""What a datagram endpoint stands on: its state, its one end, and the calls into user code.

Laws: the state is one word, moved in one place, and every end is in `_lose`. Our own state is in order before user code
is called, and is looked at again after it. What becomes of one datagram ends nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from socket import socket
from typing import Any

from ..loop import EventLoop
from ..loop.report import say
from ..loop.watch import Watch, nothing_to_do
from ..protocol import DatagramProtocol
from . import _datagram, udp
from .buffers import SEND_AT_ONCE
from .core import MOVES, State, Unwatched, report_raised
from .deadlines import Deadlines
from .limits import Limits

_MOST_ERRORS = 64  # to be told at once: whoever sends a million where there is no network needn't hear of each

_log = logging.getLogger(__name__)

OnEnd = Callable[[Any, "BaseException | None", "socket | None"], object]


class DatagramCore:
    """The state of a datagram endpoint and how it ends; `DatagramEndpoint` is the rest of it."""

    __slots__ = (
        "__weakref__", "_awaiting", "_cause", "_datagrams", "_deadlines", "_errors", "_extra", "_finished", "_high",
        "_hold", "_holding", "_limits", "_loop", "_low", "_memory", "_on_end", "_peer", "_protocol", "_sock", "_state",
        "_watch", "_writing_paused", "made", "sendto",
    )  # fmt: skip

    sendto: Callable[..., None]  # the mechanism's own: a call in Python a datagram less

    def __init__(self, loop: EventLoop, protocol: Any, limits: Limits, memory: memoryview, on_end: OnEnd) -> None:
        self._loop = loop
        self._protocol = protocol
        self._limits = limits
        self._on_end: OnEnd | None = on_end
        self._sock: Any = None  # as long as its name is being looked up
        self._watch: Watch | None = None
        self._peer: Any = None
        self._extra: dict[str, Any] | None = None
        self._state = State.NEW
        self._cause: BaseException | None = None
        self._deadlines: Deadlines | None = None  # as long as there was no wait
        self._errors: list[Exception] = []  # that the protocol isn't told of yet
        self._high, self._low = limits.high_water, limits.low_water
        self._writing_paused = self.made = self._finished = False
        self._memory = memory
        self._carry_by(_datagram.Datagrams if loop.machine.has_kernel else _datagram.Reference)
        if isinstance(protocol, DatagramProtocol):
            protocol.transport = self  # type: ignore[assignment]  # the whole endpoint is

    def _carry_by(self, kind: type[_datagram.Datagrams]) -> None:
        """Begin with a mechanism."""
        loop = self._loop
        self._datagrams = kind(self._memory, self, loop.defer_flush, loop.runs_on)  # type: ignore[arg-type]
        self._datagrams.protocol = self._protocol
        self.sendto = self._datagrams.sendto
        self._tell()

    def open(self, sock: Any) -> None:
        """Go on with a socket: `connection_made` comes in the next turn, and behind it what the socket has."""
        connected, self._peer = udp.peer_of(sock)
        if type(self._datagrams) is not (kind := _datagram.carrier_of(sock)):
            self._carry_by(kind)
        if not connected:
            udp.hear_of_errors(sock)
        self._watch = self._loop.watch(sock, nothing_to_do, nothing_to_do)
        self._datagrams.attach(sock, connected, self._peer)
        self._watch.on_read = self._datagrams.receive
        self._sock = sock
        self._loop.call_soon(self.start)
        if self._datagrams.waiting:
            self._datagrams.defer()

    def start(self) -> None:
        """Call `connection_made`, and begin to read."""
        if self._state is State.NEW:
            self._move(State.OPEN)
        if self._state is not State.OPEN or self.made:
            return
        connection_made = getattr(self._protocol, "connection_made", _ignored)
        self.made = True  # once: no function of ours is between these lines, that a signal handler could end
        try:
            connection_made(self)
        except BaseException as exc:
            self.callback_raised(exc)
        if self._state is State.OPEN:
            self._tell()
            self.much_waits()

    # --- ends

    def close(self) -> None:
        """Deliver nothing more, send what waits, then end. Idempotent.

        When none of it leaves for `Limits.close_timeout` it is dropped, and counted.
        """
        self._loop.check_thread("close")
        if self._state is State.NEW:
            self._datagrams.leave()  # what waits for a name never does
            return self._lose(None)
        if self._state is not State.OPEN:
            return None
        if not self._datagrams.waiting:
            return self._lose(None)
        self._move(State.CLOSING)
        self._stop_waiting("write_timeout")
        return self._await("close_timeout", self._limits.close_timeout)

    def abort(self) -> None:
        """End now: what waits is dropped. `connection_lost(None)` comes at the end of this turn."""
        self._loop.check_thread("abort")
        self._lose(None)

    def fail(self, cause: BaseException) -> None:
        """End: there is no socket to go on with."""
        self._lose(cause)

    def is_closing(self) -> bool:
        """Tell whether it is closing, or over: what is sent is dropped."""
        return self._state in (State.CLOSING, State.LOST)

    def _lose(self, cause: BaseException | None) -> None:
        """End, with the first cause. `connection_lost` comes when the callbacks of this turn are done."""
        if self._state is State.LOST:
            return
        self._cause = self._cause or cause
        self._move(State.LOST)
        self._stop()

    def _stop(self) -> None:
        """Give up everything but the protocol. May be done twice."""
        self._datagrams.drop()
        self._errors.clear()
        if self._watch is not None:
            self._watch.close()
        if self._deadlines is not None:
            self._deadlines.close()
        self._loop.defer_close(self._finish)
        if self._cause is not None:
            say(_log, logging.DEBUG, "%r ends: %s", self, self._cause)

    def abandon(self) -> None:
        """Be over without a word to anybody, in a child of fork(): the endpoint is the parent's."""
        self._on_end = None
        if self._state is not State.LOST:
            self._move(State.LOST)
        self._datagrams.drop()
        self._errors.clear()
        if self._sock is not None:
            udp.close(self._sock)

    def _finish(self) -> None:
        cause = self._cause
        try:
            if self.made and not self._finished:
                self._finished = True
                getattr(self._protocol, "connection_lost", _ignored)(cause)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            report_raised(self._loop, exc, self, self._protocol)
        finally:
            self._let_go_of_all(cause)

    def _let_go_of_all(self, cause: BaseException | None) -> None:
        """Be no part of a cycle, so that nothing of an ended endpoint waits for the collector."""
        self._datagrams.forget(_Gone(self._loop))  # type: ignore[arg-type]  # it is asked for no more
        self._protocol = self._cause = None
        if self._on_end is not None:
            self._on_end(self, cause, self._sock)
            self._on_end = None

    def _move(self, state: State) -> None:
        assert state in MOVES[self._state], f"{self._state} to {state}"
        self._state = state
        self._tell()

    def _tell(self) -> None:
        """Let the mechanism know what it may do without asking, and the loop what to watch."""
        datagrams, state, cap = self._datagrams, self._state, self._limits.max_write_buffer
        wanted = state is State.OPEN and self._cause is None
        datagrams.reading = wanted and self.made  # before, it is watched: who can't be is never made
        may_queue = state in (State.NEW, State.OPEN) and self._cause is None
        datagrams.room = min(SEND_AT_ONCE, self._high, SEND_AT_ONCE if cap is None else cap) if may_queue else -1
        datagrams.alert = state is State.CLOSING or self._writing_paused or bool(datagrams.full)
        if self._watch is not None and state is not State.LOST:
            self._want((self._watch.mask & EVENT_WRITE) | (EVENT_READ if wanted else 0))

    def _want(self, mask: int) -> None:
        """Be called when the socket is ready for this; a selector that can't take it ends the endpoint."""
        if self._watch is None:
            return
        try:
            self._watch.want(mask)
        except (OSError, ValueError, KeyError) as exc:
            self._lose(Unwatched(f"the socket can't be watched: {exc}"))

    def _await(self, wait: str, seconds: float | None) -> None:
        """Begin a wait, or begin it anew."""
        if seconds is not None:
            if self._deadlines is None:
                self._deadlines = Deadlines(self._loop, self)  # type: ignore[arg-type]  # the whole endpoint is
            self._deadlines.start(wait, seconds)

    def _stop_waiting(self, wait: str) -> None:
        if self._deadlines is not None:
            self._deadlines.stop(wait)

    def much_waits(self) -> None:
        """See whether the protocol is to be told that more than `high_water` waits."""
        raise NotImplementedError

    # --- user code

    def call(self, callback: str, *args: Any) -> None:
        """Call user code. What it raises is reported and ends this endpoint only: look at the state after it."""
        try:
            getattr(self._protocol, callback, _ignored)(*args)
        except BaseException as exc:
            self.callback_raised(exc)

    def callback_raised(self, exc: BaseException) -> None:
        if isinstance(exc, (KeyboardInterrupt, SystemExit)):
            try:
                raise exc
            finally:
                del exc  # or it and this frame would know each other
        report_raised(self._loop, exc, self, self._protocol)
        if self._state is State.OPEN:  # else it is ending already, and that was the first cause
            self._cause = self._cause or exc
            self.close()

    def _note(self, exc: Exception) -> None:
        """Tell the protocol of an error: later, for it may come from inside `sendto()`."""
        self._loop.counts["datagram_errors"] += 1
        if not self.is_closing() and len(self._errors) < _MOST_ERRORS:
            self._errors.append(exc)
            if len(self._errors) == 1:
                self._loop.call_soon(self._tell_errors)

    def _tell_errors(self) -> None:
        errors, self._errors = self._errors, []
        for exc in errors:
            if self._datagrams.reading:
                self.call("error_received", exc)


def _ignored(*_: object) -> None:
    """What a protocol needn't have."""


class _Gone:
    """Whom a mechanism asks whose endpoint is over."""

    __slots__ = ("check_thread",)

    def __init__(self, loop: EventLoop) -> None:
        self.check_thread = loop.check_thread

    def check_peer(self, addr: Any) -> None:
        """Whoever it was for, it is dropped and counted."""
