"""Core: what all of a connection stands on: its state, its one end, and the calls into user code.

Laws: the state is one word, moved in one place, and every end is in `_lose`. Our own state is in order before user code
is called, and is looked at again after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from selectors import EVENT_READ
from socket import socket
from typing import Any

from ..loop import EventLoop
from ..loop.report import say
from ..loop.watch import nothing_to_do
from . import _stream, sockets
from .buffers import SEND_AT_ONCE
from .deadlines import Deadlines
from .limits import Limits
from .tls import TLS, size_on_wire


class Unwatched(OSError):
    """The selector has no room for a socket."""


class State(str, Enum):  # a str, so that hashing it needs no Python code
    """Where a connection stands. It only ever moves down this list."""

    NEW = "new"  # connection_made has not been called
    OPEN = "open"
    CLOSING = "closing"  # what waits is still sent, nothing is delivered
    LOST = "lost"  # connection_lost is due, or has been


MOVES = {
    State.NEW: {State.OPEN, State.LOST},
    State.OPEN: {State.CLOSING, State.LOST},
    State.CLOSING: {State.LOST},
    State.LOST: set(),
}

_LIBRARY = __name__.rpartition("transport.")[0]  # "reactor.", or where a vendored copy lies


OnEnd = Callable[[Any, "BaseException | None", socket], object]

_log = logging.getLogger(__name__)


class Core:
    """The state of a connection and how it ends; `Receiving`, `Sending` and `Connection` are the rest of it."""

    __slots__ = (
        "__weakref__", "_bounded_at", "_cause", "_deadlines", "_draining", "_ended", "_ending", "_extra", "_finished",
        "_go_on_due", "_half_open", "_high", "_holds", "_limits", "_loop", "_low", "_on_end", "_on_secured",
        "_patience", "_paused", "_peer_ended", "_peername", "_protocol", "_received", "_sock", "_state", "_stream",
        "_tls", "_told", "_unsendable", "_watch", "_writing_paused", "made", "reset",
    )  # fmt: skip

    def __init__(
        self,
        loop: EventLoop,
        sock: socket,
        protocol: Any,
        limits: Limits,
        memory: memoryview,
        peername: Any,
        on_end: OnEnd,
        tls: TLS | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._protocol = protocol
        self._limits = limits
        self._peername = peername
        self._extra: dict[str, Any] | None = None  # what else get_extra_info() tells, once it is asked
        self._on_end: OnEnd | None = on_end
        self._tls = tls
        self._state = State.NEW
        self._cause: BaseException | None = None
        self._unsendable: Exception | None = None  # why no more can be sent
        self._ending = self._ended = False  # ending: write_eof() was called; ended: FIN was sent
        self._peer_ended = self._told = self._half_open = False  # told: the protocol knows that the peer has ended
        self._paused = self._writing_paused = self._go_on_due = self._draining = False
        self._high, self._low = limits.high_water, limits.low_water
        self._patience = limits.close_timeout
        self._holds = 0
        self._received = 0  # bytes that had come when a wait was looked at last
        self._bounded_at = -1  # the offset of the frame, or of the piece of it, that frame_timeout runs for
        self._on_secured: Callable[[], object] = nothing_to_do
        self.made = self.reset = self._finished = False
        self._deadlines: Deadlines | None = None  # as long as there was no wait
        self._watch = loop.watch(sock, nothing_to_do, nothing_to_do)
        self._stream = _stream.Stream(sock, memory, self, loop.defer_flush, loop.runs_on)  # type: ignore[arg-type]
        self._wind_clock()
        self._watch.on_read = self._stream.receive

    def check_thread(self, name: str) -> None:
        """Raise RuntimeError if `name()` is called on another thread than the one that the loop runs on now."""
        self._loop.check_thread(name)

    # --- ends

    def close(self, timeout: float | None = None) -> None:
        """Deliver nothing more, send what waits, then end. Idempotent.

        When the peer takes none of it for `timeout` seconds (None: `Limits.close_timeout`) the connection is reset.
        """
        self._loop.check_thread("close")
        if timeout is not None and not (isinstance(timeout, (int, float)) and timeout >= 0):
            raise ValueError(f"timeout is {timeout!r}, it must be seconds, 0 or more, or None")
        if self._state is State.NEW:
            return self._lose(None)
        if self._state is not State.OPEN:
            return None
        if not self._stream.waiting and self._stream.session is None:  # as with most connections
            return self._lose(None)
        if timeout is not None:
            self._patience = timeout
        self._move(State.CLOSING)
        for wait in ("idle_timeout", "read_timeout", "frame_timeout", "write_timeout"):
            self._stop_waiting(wait)
        self._end_closing()
        return self._bound_close()

    def _bound_close(self) -> None:
        if self._state is State.CLOSING:
            self._await("close_timeout", self._patience)

    def _end_closing(self) -> None:
        """Say goodbye and end, if nothing waits any more: not for the peer, and not for a handshake."""
        self._stream.goodbye()
        if self._state is State.CLOSING and not self._to_leave():
            self._lose(None)

    def _to_leave(self) -> int:
        """Return how many bytes wait and can leave: what waits for a word of TLS that never comes can't."""
        stream = self._stream
        over = self._peer_ended or isinstance(stream.end, OSError)
        return stream.unsent if over and stream.session is not None else stream.waiting

    def close_when_quiet(self) -> None:
        """Close as soon as no message is half received, undelivered, held or unsent; never from inside this call."""
        if self._state is State.LOST:
            return
        self._draining = True
        self._tell_stream()
        self._loop.call_after_look(self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        stream = self._stream
        if self._state is not State.OPEN or self._holds or stream.waiting or stream.left or stream.in_frame:
            return
        if self._still_comes():
            self._loop.call_after_look(self._close_if_quiet)
        elif not (self._paused and sockets.has_unread(self._sock)):
            self.close()

    def _give_up(self) -> None:
        """End once all that has come is delivered: `delivered()` asks again."""
        if self._state is not State.OPEN or self._paused or self._stream.left:
            return
        if self._still_comes():
            self._loop.call_after_look(self._give_up)
        else:
            self._lose(None)

    def _still_comes(self) -> bool:
        """Whether the last look has filled a whole read: then the kernel may have more."""
        before, self._received = self._received, self._stream.bytes_received
        return before != self._received and not self._stream.drained

    def abort(self) -> None:
        """End now: what waits is dropped, the peer gets RST. `connection_lost(None)` comes at the end of this turn."""
        self._loop.check_thread("abort")
        self._lose(None, reset=True)

    def is_closing(self) -> bool:
        """Tell whether it is closing, or over: what is written is dropped."""
        return self._state in (State.CLOSING, State.LOST)

    def _lose(self, cause: BaseException | None, reset: bool = False) -> None:
        """End, with the first cause. `connection_lost` comes when the callbacks of this turn are done."""
        self.reset = self.reset or reset  # an abort() after a close() still resets
        if self._state is State.LOST:
            return
        self._cause = self._cause or self._unsendable or cause
        self._move(State.LOST)
        self._stop()

    def _stop(self) -> None:
        """Give up everything but the protocol. May be done twice."""
        self._stream.drop()
        self._watch.close()
        if self._told:
            self._loop.forget_end(self._sock)
        if self._deadlines is not None:
            self._deadlines.close()
        self._loop.defer_close(self._finish)
        if self._cause is not None:
            say(_log, logging.DEBUG, "the connection with %r ends: %s", self._peername, self._cause)

    def abandon(self) -> None:
        """Be over without a word to anybody, in a child of fork(): the connection is the parent's."""
        self._on_end = self._unsendable = None
        self._go_on_due = True  # what has come is delivered there, and by nobody here
        if self._state is not State.LOST:
            self._move(State.LOST)
        self._stream.drop()
        sockets.close(self._sock, reset=False)

    def _finish(self) -> None:
        cause = self._cause
        try:
            if self.made and not self._finished:
                self._finished = True
                self._protocol.connection_lost(cause)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            self.report(exc)
        finally:
            self._let_go_of_all(cause)

    def _let_go_of_all(self, cause: BaseException | None) -> None:
        """Be no part of a cycle, so that nothing of an ended connection waits for the collector."""
        self._stream.forget(_Gone(self._loop))  # type: ignore[arg-type]  # it is asked for no more
        self._protocol = self._unsendable = self._cause = None
        self._on_secured = nothing_to_do
        if self._on_end is not None:
            self._on_end(self, cause, self._sock)
            self._on_end = None

    def _move(self, state: State) -> None:
        assert state in MOVES[self._state], f"{self._state} to {state}"
        self._state = state
        self._tell_stream()

    def _await(self, wait: str, seconds: float | None) -> None:
        """Begin a wait, or begin it anew."""
        if seconds is not None:
            if self._deadlines is None:
                self._deadlines = Deadlines(self._loop, self)  # type: ignore[arg-type]  # the whole connection is
            self._deadlines.start(wait, seconds)

    def _stop_waiting(self, wait: str) -> None:
        if self._deadlines is not None:
            self._deadlines.stop(wait)

    def _awaits(self, wait: str) -> bool:
        return self._deadlines is not None and wait in self._deadlines

    def _wind_clock(self) -> None:
        """Have the stream tell of every transfer, if a wait is begun anew by it."""
        limits = self._limits
        self._stream.clocked = limits.idle_timeout is not None or limits.read_timeout is not None

    def touched(self, sending: bool) -> None:
        """Note that bytes came, or went."""
        self._await("idle_timeout", self._limits.idle_timeout)
        if not (sending or self._told):
            self._await("read_timeout", self._limits.read_timeout)

    def _tls_waits(self) -> bool:
        """Whether TLS must hear of the peer to go on: for a handshake, or for one in the middle of a close."""
        closing = self._state is State.CLOSING and self._stream.session is not None
        return self._shakes_hands() or (closing and self._stream.waiting > self._stream.unsent)

    def _shakes_hands(self) -> bool:
        session = self._stream.session
        return session is not None and not session.secured

    def _tell_stream(self) -> None:
        """Let the stream know what it may do without asking, and the loop what to watch."""
        stream, open_ = self._stream, self._state is State.OPEN
        stream.reading = open_ and not self._paused and self._cause is None
        may_queue = open_ and not self._ending and self._unsendable is None
        stream.room = min(SEND_AT_ONCE, self._high, self._cap()) if may_queue else -1
        stream.alert = not may_queue or self._draining or self._writing_paused or stream.blocked
        if self._state is State.LOST:
            return
        reading = (stream.reading and not stream.left) or (stream.session is not None and self._tls_waits())
        if reading and not self._peer_ended:
            self._want(self._watch.mask | EVENT_READ)
        else:
            self._want(self._watch.mask & ~EVENT_READ)
            if stream.reading and stream.left:  # who stops reading for what is left sees to it that it is gone on with
                self._go_on_later()

    def _want(self, mask: int) -> None:
        """Be called when the socket is ready for this; a selector that can't take it ends the connection."""
        try:
            self._watch.want(mask)
        except (OSError, ValueError, KeyError) as exc:
            self._lose(Unwatched(f"the socket can't be watched: {exc}"))

    def _go_on_later(self) -> None:
        if not self._go_on_due and (self._may_resume() or not self._paused):
            self._go_on_due = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Deliver what was left."""
        raise NotImplementedError

    def _may_resume(self) -> bool:
        """Whether what is left may be gone on with: by the protocol, or by a handshake, which no pause holds up."""
        return self._stream.reading or (self._shakes_hands() and self._stream.unopened)

    def _cap(self) -> int:
        cap = self._limits.max_write_buffer
        if cap is None:
            return SEND_AT_ONCE
        return cap if self._tls is None else max(0, 2 * cap - size_on_wire(cap))

    # --- user code

    def call(self, callback: Callable[..., object], *args: Any) -> object:
        """Call user code. What it raises is reported and ends this connection only: look at the state after it."""
        try:
            return callback(*args)
        except BaseException as exc:
            self.callback_raised(exc)
            return None

    def callback_raised(self, exc: BaseException) -> None:
        if isinstance(exc, (KeyboardInterrupt, SystemExit)):
            try:
                raise exc
            finally:
                del exc  # or it and this frame would know each other
        self.report(exc)
        if self._state is State.NEW:
            self._lose(exc)
        elif self._state is State.OPEN:  # else it is ending already, and that was the first cause
            self._cause = self._cause or exc
            self.close()

    def report(self, exc: BaseException) -> None:
        """Report an exception that a callback of the protocol raised."""
        report_raised(self._loop, exc, self, self._protocol)


def report_raised(loop: EventLoop, exc: BaseException, transport: Any, protocol: Any) -> None:
    """Report an exception that a callback of `protocol` raised, naming the callback."""
    where = _where(exc) or f"a callback of {type(protocol).__qualname__}"
    loop.call_exception_handler(
        {"message": f"exception in {where}", "exception": exc, "transport": transport, "protocol": protocol}
    )


def _where(exc: BaseException) -> str | None:
    """Name the callback that raised: the first function on the way that isn't the library's.

    None where there is none: the call itself failed, or what the protocol has isn't what it must be.
    """
    trace = exc.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_globals.get("__name__", "").startswith(_LIBRARY):
            return trace.tb_frame.f_code.co_name
        trace = trace.tb_next
    return None


class _Gone:
    """Whom a stream asks whose connection is over."""

    __slots__ = ("check_thread",)

    def __init__(self, loop: EventLoop) -> None:
        self.check_thread = loop.check_thread

    def admit(self, size: int) -> bool:
        return False
