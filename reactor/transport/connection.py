"""Connection: one stream between a socket and a protocol: the state, the policy, the end.

Laws: the state is one word, moved in one place. The stream moves the bytes and asks here at the edges; every end is in
`_lose`. Our own state is in order before user code is called, and is looked at again after it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from socket import socket
from typing import Any

from ..errors import ConnectionTimeout, FramingError, WriteBufferFull
from ..framing import BytesLike, Framing
from ..loop import EventLoop
from ..loop.watch import nothing_to_do
from ..protocol import FramedProtocol, Protocol
from . import _stream, sockets
from .buffers import SEND_AT_ONCE, snapshot
from .deadlines import Deadlines
from .hold import Hold
from .limits import Limits
from .reports import report
from .state import MOVES, State
from .tls import TLS, Session, behind_the_switch, size_on_wire


class Connection:
    """A stream transport: asyncio's `Transport` methods, with bounds. Loop thread only.

    `on_end(connection, cause, socket)` is called once, after `connection_lost`, and is given the socket to close;
    `made` then tells whether the protocol was ever told of the connection.
    """

    __slots__ = (
        "__weakref__", "_bounded_at", "_cause", "_deadlines", "_draining", "_ended", "_ending", "_extra", "_go_on_due",
        "_high", "_holds", "_limits", "_loop", "_low", "_on_end", "_on_secured", "_patience", "_paused", "_peer_ended",
        "_peername", "_protocol", "_received", "_sock", "_state", "_stream", "_tls", "_told", "_unsendable", "_watch",
        "_writing_paused", "made", "reset",
    )  # fmt: skip

    def __init__(
        self,
        loop: EventLoop,
        sock: socket,
        protocol: Any,
        limits: Limits,
        memory: memoryview,
        peername: Any,
        on_end: Callable[[Connection, BaseException | None, socket], object],
        tls: TLS | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._protocol = protocol
        self._limits = limits
        self._peername = peername
        self._extra: dict[str, Any] | None = None  # what else get_extra_info() tells, once it is asked
        self._on_end: Callable[[Connection, BaseException | None, socket], object] | None = on_end
        self._tls = tls
        self._state = State.NEW
        self._cause: BaseException | None = None
        self._unsendable: Exception | None = None  # why no more can be sent
        self._ending = self._ended = False  # ending: write_eof() was called; ended: FIN was sent
        self._peer_ended = self._told = False  # told: the protocol knows that the peer has ended
        self._paused = self._writing_paused = self._go_on_due = self._draining = False
        self._high, self._low = limits.high_water, limits.low_water
        self._patience = limits.close_timeout
        self._holds = 0
        self._received = 0  # bytes that had come when a wait was looked at last
        self._bounded_at = -1  # the offset of the frame, or of the piece of it, that frame_timeout runs for
        self._on_secured: Callable[[], object] = nothing_to_do
        self.made = self.reset = False
        self._deadlines = Deadlines(loop, self)
        self._watch = loop.watch(sock, nothing_to_do, nothing_to_do)
        self._stream = _stream.Stream(sock, memory, self, loop.defer_flush)
        self._stream.clocked = limits.idle_timeout is not None or limits.read_timeout is not None
        self._watch.on_read = self._stream.receive

    def start(self) -> None:
        """Shake hands if there is TLS, then call `connection_made` and begin to read."""
        try:
            self._adopt(self._protocol, b"")
            if self._tls is not None:
                return self._begin_tls(self._tls, b"")
        except BaseException as exc:
            return self.callback_raised(exc)
        return self._open()

    def _open(self) -> None:
        self._move(State.OPEN)
        self.touched(False)
        self.made = True
        try:
            self.call(self._protocol.connection_made, self)
        finally:  # a KeyboardInterrupt goes through here, and leaves a connection that works
            self._look_later()

    # --- reading

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading()`; not even messages that are decoded already. Idempotent."""
        self._paused = True
        self._deadlines.stop("frame_timeout")  # it is not the peer who is slow now
        self._tell_stream()

    def resume_reading(self) -> None:
        """Deliver again, first what was left, from a callback of the next turn. Idempotent."""
        if self._paused:
            self._paused = False
            if self._state is State.OPEN:
                self.touched(False)
            self._look_later()

    def is_reading(self) -> bool:
        return self._stream.reading and not self._shakes_hands()

    def _shakes_hands(self) -> bool:
        session = self._stream.session
        return session is not None and not session.secured

    def keep(self, messages: list[bytes]) -> None:
        """Keep messages of a list that the protocol was given and has not come to."""
        if self._shakes_hands():
            self._break(behind_the_switch(sum(map(len, messages))))
        elif self._state is State.OPEN:
            self._stream.keep(messages)

    def delivered(self) -> None:
        """Look at what a delivery has made of it."""
        stream = self._stream
        end = stream.end
        if isinstance(end, Exception) and (stream.reading or self._shakes_hands()):
            return self._break(end)
        if self._state is not State.OPEN:
            return self._tell_stream()
        if stream.left:
            self._go_on_later()
        elif (end or self._peer_ended) and not self._told:
            self._peer_ended = True
            if self.is_reading():
                return self._tell_end()
        else:
            self._bound_frame()
        self._tell_stream()
        if self._unsendable is not None:
            self._loop.call_after_look(self._give_up)
        elif self._draining:
            self.close_when_quiet()
        return None

    def _look_later(self) -> None:
        """Look from a callback of the next turn if something is due: a delivery must not come from inside a call."""
        stream = self._stream
        if stream.left or stream.end is not None or (self._peer_ended and not self._told):
            self._go_on_later()
        elif self._state is State.OPEN:
            self._bound_frame()
        self._tell_stream()

    def _go_on_later(self) -> None:
        if not self._go_on_due and (self._stream.reading or self._shakes_hands() or not self._paused):
            self._go_on_due = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Deliver what was left, then the end if that has come, too."""
        self._go_on_due = False
        if self._state is State.LOST:
            return
        if self._stream.left and (self._stream.reading or self._shakes_hands()):
            self._stream.resume()
        else:
            self.delivered()

    def _bound_frame(self) -> None:
        """Bound the time that a frame takes; for one that is streamed or discarded, the time between its pieces."""
        if not self._stream.in_frame:
            return self._deadlines.stop("frame_timeout")
        offset = self._stream.frame_offset
        if not self._paused and (offset != self._bounded_at or "frame_timeout" not in self._deadlines):
            self._bounded_at = offset
            self._deadlines.start("frame_timeout", self._limits.frame_timeout)
        return None

    # --- the peer's end

    def read_failed(self, exc: OSError) -> None:
        self._lose(exc)

    def socket_ended(self) -> None:
        session = self._stream.session
        if session is not None and not self._peer_ended and not self._may_end(session):
            return self._break(session.truncated())
        self._peer_ended = True
        return self.delivered()

    def _may_end(self, session: Session) -> bool:
        """Whether the socket may end without close_notify: between frames nothing can have been cut off."""
        if not session.secured:
            return False
        framed = self._stream.decoder is not None
        return session.tls.forgives_truncation or (framed and not self._stream.in_frame)

    def _tell_end(self) -> None:
        self._told = True
        for wait in ("frame_timeout", "read_timeout"):
            self._deadlines.stop(wait)
        if self._unsendable is not None:
            return self._lose(None)
        if self._stream.decoder is not None:
            try:
                self._stream.decoder.feed_eof()
            except FramingError as exc:
                return self._break(exc)
            except BaseException as exc:  # a decoder of the user's own, or one that was detached
                return self.callback_raised(exc)
        keep_open = self.call(self._protocol.eof_received)
        if self._state is State.OPEN and (not keep_open or self._ended or self._tls is not None):
            self.close()
        return self._tell_stream()

    def _break(self, exc: Exception) -> None:
        """End since the stream broke: what was answered before, and what is now, still leaves."""
        if self._state is State.NEW:
            return self._fail(exc)
        if self._state is State.OPEN and self._cause is None:
            self._cause = exc
            self._tell_stream()
            if isinstance(exc, FramingError) and isinstance(self._protocol, FramedProtocol):
                self.call(self._protocol.framing_failed, exc)
        return self.close()

    def _fail(self, exc: Exception) -> None:
        """End before the connection was made; TLS may have an alert for the peer."""
        self._stream.leave()
        self._lose(exc)

    # --- writing: `write`, `writelines`, `send` and `send_many` are the stream's

    def write(self, data: BytesLike) -> None:
        """Queue bytes; they leave with the others of this turn. Never blocks; the caller may reuse `data` at once.

        After `close()` and after the end, data is dropped and counted. Raises RuntimeError after `write_eof()`, and
        WriteBufferFull where `Limits.overflow` is "raise".
        """
        self._stream.write(data)

    def writelines(self, chunks: Any) -> None:
        """Queue chunks as one write: all of them or none."""
        self._stream.writelines(chunks)

    @property
    def writes_dropped(self) -> int:
        """How many writes came too late, or found no room under `overflow="drop"`."""
        return self._stream.writes_dropped

    def admit(self, size: int) -> bool:
        """Whether a write may be queued that the stream has no room for. Raises WriteBufferFull if so agreed."""
        if self._state is not State.OPEN or self._unsendable is not None:
            return False
        if self._ending:
            raise RuntimeError("write() after write_eof()")
        if self._fits(size):
            return True
        self._stream.leave()
        if self._fits(size) or self._state is not State.OPEN:
            return self._state is State.OPEN and self._unsendable is None
        full = self._full(size)
        if self._limits.overflow == "raise":
            raise full
        if self._limits.overflow == "abort":
            self._lose(full, reset=True)
        return False

    def admit_own(self, size: int) -> bool:
        """Whether TLS may queue a word of its own: a peer that makes it speak and doesn't read has no other bound."""
        if self._state in (State.NEW, State.OPEN) and not self._fits(size):
            self._lose(self._full(size), reset=True)
        return self._state is not State.LOST

    def _fits(self, size: int) -> bool:
        """Whether so much more may wait. What meets an empty buffer always may: the cap bounds what waits behind it."""
        stream, cap = self._stream, self._limits.max_write_buffer
        if cap is None or not stream.waiting:
            return True
        if stream.session is not None:
            size = size_on_wire(stream.waiting - stream.unsent + size) + stream.unsent - stream.waiting
        return stream.waiting + size <= cap

    def _full(self, size: int) -> WriteBufferFull:
        waiting, cap = self._stream.waiting, self._limits.max_write_buffer
        return WriteBufferFull(f"write of {size} bytes while {waiting} wait for the peer, max_write_buffer is {cap}")

    def much_waits(self) -> None:
        if self._stream.waiting > min(SEND_AT_ONCE, self._high):
            self._stream.leave()
        self._check_high()

    def _check_high(self) -> None:
        """Tell the protocol once that more than `high` bytes wait."""
        if self._state is State.OPEN and not self._writing_paused and self._stream.waiting > self._high:
            self._writing_paused = True
            self._tell_stream()
            self._stream.defer()  # who is paused without need is told at the end of the turn
            self.call(self._protocol.pause_writing)

    def _check_low(self) -> None:
        if self._writing_paused and self._stream.waiting <= self._low:
            self._writing_paused = False
            self._tell_stream()
            if self._state is State.OPEN:
                self.call(self._protocol.resume_writing)

    def turn_ended(self) -> None:
        self._check_low()

    def sent(self, count: int) -> None:
        """See what a send has left to wait for."""
        stream = self._stream
        if stream.unsent:
            stream.blocked = True
            self._await_progress(count > 0)
            self._watch.on_write = self._write_ready
            self._watch.add(EVENT_WRITE)
            self._tell_stream()
        elif self._watch.mask & EVENT_WRITE:
            self._stop_sending()
        if not stream.waiting:
            self._all_sent()

    def _await_progress(self, progress: bool) -> None:
        if self._state is State.CLOSING:
            if progress:
                self._deadlines.start("close_timeout", self._patience)
        elif progress or "write_timeout" not in self._deadlines:
            self._deadlines.start("write_timeout", self._limits.write_timeout)

    def _stop_sending(self) -> None:
        self._stream.blocked = False
        self._watch.remove(EVENT_WRITE)
        self._deadlines.stop("write_timeout")
        self._tell_stream()

    def _write_ready(self) -> None:
        self._stream.blocked = False
        self._stream.leave()
        self._check_low()

    def _all_sent(self) -> None:
        if self._state is State.CLOSING:
            self._end_closing()
        elif self._ending and not self._ended:
            self._ended = True
            sockets.end_writing(self._sock)
            if self._told:
                self.close()
        elif self._draining:
            self.close_when_quiet()

    def send_failed(self, exc: OSError) -> None:
        """Send no more; what was received whole is still delivered, then that is the end."""
        self._stream.drop()
        self._stop_sending()
        if self._state is State.OPEN:
            self._unsendable = exc
            self._tell_stream()
            self._loop.call_after_look(self._give_up)
        else:  # who has said goodbye needn't wait for ours
            self._lose(None if self._peer_ended and self._tls is not None else exc)

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

    def write_eof(self) -> None:
        """End our side once all is sent; the peer may go on. Idempotent. Under TLS there is no such thing."""
        if self._tls is not None:
            raise RuntimeError("write_eof() under TLS: it can't end one side alone")
        if self._state is State.OPEN and not self._ending:
            self._ending = True
            self._tell_stream()
            if not self._stream.waiting:
                self._all_sent()

    def can_write_eof(self) -> bool:
        return self._tls is None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the water marks in bytes, as asyncio does: `low` is a quarter of `high` if only that is given."""
        if high is None:
            high = self._limits.high_water if low is None else 4 * low
        if low is None:
            low = high // 4
        if not (isinstance(high, int) and isinstance(low, int) and high >= low >= 0):
            raise ValueError(f"high is {high!r} and low is {low!r}: ints are needed, high >= low >= 0")
        self._high, self._low = high, low
        self._tell_stream()
        self._check_high()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return `(low, high)`, in asyncio's order."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait to be sent, encrypted already or not yet where there is TLS."""
        return self._stream.waiting

    # --- TLS

    def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        initial: BytesLike | None = None,
        on_done: Callable[[], object] | None = None,
    ) -> None:
        """Go on under TLS: what was written before leaves plain, what is written from now on waits for the handshake.

        `initial` None: no bytes came behind the switch, and if some did the connection ends with ssl.SSLError, for they
        may be injected. Else `initial`, which may be empty, and then the bytes that the protocol was not given yet are
        the beginning of the peer's handshake. `on_done()` is called when it is complete.
        """
        if self._tls is not None or self._state is not State.OPEN:
            raise RuntimeError("start_tls() needs an open connection without TLS")
        tls, first = TLS(context, server_side, server_hostname), snapshot(initial or b"")
        self._stream.adopt(self._protocol)
        unread = self._stream.take_rest()
        if initial is None and unread:
            return self._break(behind_the_switch(len(unread)))
        self._stream.adopt(self._protocol)
        self._tls = tls
        self._on_secured = on_done or nothing_to_do
        return self._begin_tls(tls, first + unread)

    def _begin_tls(self, tls: TLS, first: bytes) -> None:
        """Shake hands; `first` is what has come of the peer's part already."""
        self._deadlines.stop("frame_timeout")
        self._deadlines.start("handshake_timeout", self._limits.handshake_timeout)
        self._stream.secure(Session(tls), first)
        self._look_later()

    def secured(self) -> None:
        """Go on now that the handshake is complete. Its facts are taken before anything else is read."""
        session = self._stream.session
        assert session is not None
        self._deadlines.stop("handshake_timeout")
        self._facts().update(session.facts())
        if self._state is State.NEW:
            self._open()
        elif self._state is State.CLOSING:
            self._end_closing()
        elif self._state is State.OPEN:
            self._tell_stream()
            self.call(self._on_secured)
        self._stream.defer()  # what waited for this

    # --- protocol and facts

    def set_protocol(self, protocol: Any, initial: BytesLike = b"") -> None:
        """Go on with another protocol: it gets every byte that the present one was not given; if much waits it is told.

        `initial`: bytes that the present one was given and has read too far; they come first. Messages of a list that
        the present one took by overriding `messages_received` are its own.
        """
        if self._state is State.LOST:
            self._protocol = protocol
            return
        self._adopt(protocol, snapshot(initial))
        self._protocol = protocol
        self._bounded_at = -1  # offsets are the new decoder's from now on
        self._writing_paused = False
        self._look_later()
        self._check_high()

    def _adopt(self, protocol: Any, initial: bytes) -> None:
        if isinstance(protocol, Protocol):
            protocol.transport = self
        self._stream.adopt(protocol, initial)

    def framing_assigned(self, protocol: Any, framing: Framing) -> None:
        """Go on with another framing of the protocol's: it was assigned to its `framing`."""
        if protocol is self._protocol and self._state in (State.NEW, State.OPEN):
            self._stream.reframe(framing)
            self._bounded_at = -1
            self._look_later()

    def get_protocol(self) -> Any:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return "peername", "sockname", "socket", and under TLS "ssl_object", "sslcontext", "peercert", "cipher"."""
        if name == "peername":
            return self._peername
        return self._facts().get(name, default)

    def _facts(self) -> dict[str, Any]:
        if self._extra is None:
            self._extra = sockets.facts(self._sock)
        return self._extra

    # --- ends

    def close(self, timeout: float | None = None) -> None:
        """Deliver nothing more, send what waits, then end. Idempotent.

        When the peer takes none of it for `timeout` seconds (None: `Limits.close_timeout`) the connection is reset.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout is {timeout!r}, it must be seconds, 0 or more, or None")
        if self._state is State.NEW:
            return self._lose(None)
        if self._state is not State.OPEN:
            return None
        if timeout is not None:
            self._patience = timeout
        self._move(State.CLOSING)
        for wait in ("idle_timeout", "read_timeout", "frame_timeout", "write_timeout"):
            self._deadlines.stop(wait)
        self._deadlines.start("close_timeout", self._patience)
        return self._end_closing()

    def _end_closing(self) -> None:
        """Say goodbye and end, if nothing waits any more: not for the peer, and not for a handshake."""
        self._stream.goodbye()
        if self._state is State.CLOSING and not self._stream.waiting:
            self._lose(None)

    def close_when_quiet(self) -> None:
        """Close as soon as no message is half received, undelivered, held or unsent; never from inside this call."""
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

    def hold(self) -> Hold:
        """Return a Hold: while one is held, a drain takes the connection for busy."""
        self._holds += 1
        return Hold(self._let_go)

    def _let_go(self) -> None:
        self._holds -= 1
        if self._draining and self._state is State.OPEN:
            self.close_when_quiet()

    def abort(self) -> None:
        """End now: what waits is dropped, the peer gets RST. `connection_lost(None)` comes at the end of this turn."""
        self._lose(None, reset=True)

    def is_closing(self) -> bool:
        return self._state in (State.CLOSING, State.LOST)

    def may_lose_bytes(self) -> bool:
        """Tell whether a reset, should the peer still send, could cost it what it was sent last."""
        sent = self._stream.bytes_sent > 0 or sockets.is_unsettled(self._sock)
        return sent and not (self.reset or self._peer_ended)

    def excuses(self, wait: str) -> bool:
        """Whether a wait isn't over: bytes still come, or the peer has sent what we don't read."""
        if wait in ("idle_timeout", "read_timeout") and self._paused and sockets.has_unread(self._sock):
            self._deadlines.start(wait, getattr(self._limits, wait))
            return True
        return self._still_comes()

    def timed_out(self, wait: str, exc: ConnectionTimeout) -> None:
        """End; in good order where nobody owes anybody a byte."""
        idle = wait in ("idle_timeout", "read_timeout") and not self._stream.waiting
        if idle and self._state is State.OPEN:
            self._cause = self._cause or exc
            self.close()
        else:
            self._lose(exc, reset=True)

    def touched(self, sending: bool) -> None:
        """Note that bytes came, or went."""
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        if not sending:
            self._deadlines.start("read_timeout", self._limits.read_timeout)

    def _lose(self, cause: BaseException | None, reset: bool = False) -> None:
        """End, with the first cause. `connection_lost` comes when the callbacks of this turn are done."""
        self.reset = self.reset or reset  # an abort() after a close() still resets
        if self._state is State.LOST:
            return
        self._cause = self._cause or self._unsendable or cause
        self._move(State.LOST)
        self._stream.drop()
        self._watch.close()
        self._deadlines.close()
        self._loop.defer_close(self._finish)

    def _finish(self) -> None:
        cause, self._cause = self._cause, None
        try:
            if self.made:
                self._protocol.connection_lost(cause)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            report(self._loop, exc, self, self._protocol)
        finally:
            self._let_go_of_all(cause)

    def _let_go_of_all(self, cause: BaseException | None) -> None:
        """Be no part of a cycle, so that nothing of an ended connection waits for the collector."""
        on_end, self._on_end = self._on_end, None
        self._stream.forget(_GONE)
        self._watch.on_read = self._watch.on_write = nothing_to_do
        self._protocol = None
        self._on_secured = nothing_to_do
        if on_end is not None:
            on_end(self, cause, self._sock)

    def _move(self, state: State) -> None:
        assert state in MOVES[self._state], f"{self._state} to {state}"
        self._state = state
        self._tell_stream()

    def _tell_stream(self) -> None:
        """Let the stream know what it may do without asking, and the loop what to watch."""
        stream, open_ = self._stream, self._state is State.OPEN
        stream.reading = open_ and not self._paused and self._cause is None
        may_queue = open_ and not self._ending and self._unsendable is None
        stream.room = min(SEND_AT_ONCE, self._high, self._cap()) if may_queue else -1
        stream.alert = not may_queue or self._draining or self._writing_paused or stream.blocked
        reading = self._shakes_hands() or (stream.reading and not stream.left)
        if self._state is State.LOST:
            return
        if reading and not self._peer_ended:
            self._watch.add(EVENT_READ)
        else:
            self._watch.remove(EVENT_READ)

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
            raise exc
        report(self._loop, exc, self, self._protocol)
        if self._state is State.NEW:
            self._lose(exc)
        elif self._state is State.OPEN:  # else it is ending already, and that was the first cause
            self._cause = self._cause or exc
            self.close()

    def __repr__(self) -> str:
        return f"<Connection {self._state.value} peer={self._peername!r}>"


class _Gone:
    """Whom a stream asks whose connection is over."""

    def admit(self, size: int) -> bool:
        return False


_GONE: Any = _Gone()
