"""Connection: one stream between a socket and a protocol.

Laws: the state is one word, moved in one place. What a pump does not take ends in `enqueue`, every end in `_lose`. Our
own state is in order before user code is called, and is looked at again after it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from socket import socket
from typing import Any

from ..errors import ConnectionTimeout
from ..framing import BytesLike
from ..loop import EventLoop
from ..loop.watch import nothing_to_do
from ..protocol import Protocol
from . import sockets
from .buffers import snapshot
from .deadlines import Deadlines
from .delivery import Delivery, FrameDelivery, delivery_to
from .inbox import Inbox
from .limits import Limits
from .outbox import Outbox
from .reports import report
from .session import Session
from .state import MOVES, State
from .tls import TLSFilter, behind_the_switch


class Connection:
    """A stream transport: asyncio's `Transport` methods, with bounds. Loop thread only.

    `on_end(connection, cause, socket)` is called once, after `connection_lost`, and is given the socket to close;
    `made` then tells whether the protocol was ever told of the connection.
    """

    __slots__ = (
        "__weakref__", "_cause", "_deadlines", "_draining", "_ended", "_ending", "_extra", "_filter", "_inbox",
        "_limits", "_loop", "_on_end", "_outbox", "_peername", "_protocol", "_sock", "_state", "_tls", "_watch",
        "made", "reset", "writes_dropped",
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
        tls: TLSFilter | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._limits = limits
        self._peername = peername
        self._extra: dict[str, Any] | None = None  # what else get_extra_info() tells, once it is asked
        self._on_end = on_end
        self._state = State.NEW
        self._cause: BaseException | None = None
        self._draining = self._ending = self._ended = False  # ending: write_eof() was called; ended: FIN was sent
        self._deadlines = Deadlines(loop, self)
        self._watch = loop.watch(sock, nothing_to_do, nothing_to_do)
        self._outbox = Outbox(loop, sock, self._watch, limits, self._deadlines, self)
        delivery = self._adopt(protocol)
        self._inbox = Inbox(loop, sock, self._watch, limits, self._deadlines, memory, delivery, self)
        self._filter = tls
        self._tls: Session | None = None
        self.made = self.reset = False
        self.writes_dropped = 0

    def start(self) -> None:
        """Shake hands if there is TLS, then call `connection_made` and begin to read."""
        if self._filter is None:
            self._open()
        else:
            self._begin_tls(self._filter, b"")

    def _open(self) -> None:
        self._move(State.OPEN)
        self._set_pump()
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        protocol = self._protocol
        framing = getattr(protocol, "framing", None)
        self.made = True
        try:
            self.call(protocol.connection_made, self)
        finally:  # a KeyboardInterrupt goes through here, and leaves a connection that works
            if self._protocol is protocol and getattr(protocol, "framing", None) is not framing:
                self._hand_over(protocol)  # it chose its framing when it saw the peer
            self._inbox.set_interest()

    # --- reading

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading()`; not even messages that are decoded already. Idempotent."""
        self._inbox.pause()

    def resume_reading(self) -> None:
        """Deliver again, first what was left, from a callback of the next turn. Idempotent."""
        self._inbox.resume()

    def is_reading(self) -> bool:
        return self._inbox.is_reading()

    def receiving_failed(self, exc: Exception) -> None:
        self._lose(exc)

    def peer_ended(self) -> None:
        keep_open = self.call(self._protocol.eof_received)
        if self._state is State.OPEN and (not keep_open or self._ended or self._tls is not None):
            self.close()

    # --- writing

    def write(self, data: BytesLike) -> None:
        """Queue bytes; they leave with the others of this turn. Never blocks; the caller may reuse `data` at once.

        After `close()` and after the end, data is dropped and counted. Raises RuntimeError after `write_eof()`, and
        WriteBufferFull where `Limits.overflow` is "raise".
        """
        chunk = snapshot(data)
        self.enqueue((chunk,), len(chunk))

    def writelines(self, chunks: Iterable[BytesLike]) -> None:
        """Queue chunks as one write: all of them or none."""
        snapshots = [snapshot(chunk) for chunk in chunks]
        self.enqueue(snapshots, sum(map(len, snapshots)))

    def enqueue(self, chunks: Iterable[bytes], size: int) -> None:
        if self._state is not State.OPEN:
            self.writes_dropped += 1
            return
        if self._ending:
            raise RuntimeError("write() after write_eof()")
        if size == 0:
            return
        if not self._outbox.has_room(size if self._tls is None else self._tls.size_on_wire(size)):
            self.writes_dropped += 1
        elif self._tls is None:
            self._outbox.put(chunks, size)
        else:
            self._tls.send(chunks)

    def sending_failed(self, exc: Exception, reset: bool) -> None:
        gone = self._state is State.CLOSING and self._tls is not None and self._inbox.ended
        self._lose(None if gone else exc, reset)  # who has said goodbye needn't wait for ours

    def all_sent(self) -> None:
        if self._state is State.CLOSING:
            self._end_closing()
        elif self._ending and not self._ended:
            self._ended = True
            sockets.end_writing(self._sock)
            if self._inbox.ended:
                self.close()
        elif self._draining:
            self.close_when_quiet()

    def writing_paused(self) -> None:
        self.call(self._protocol.pause_writing)

    def writing_resumed(self) -> None:
        if self._state is State.OPEN:
            self.call(self._protocol.resume_writing)

    def write_eof(self) -> None:
        """End our side once all is sent; the peer may go on. Idempotent. Under TLS there is no such thing."""
        if self._tls is not None:
            raise RuntimeError("write_eof() under TLS: it can't end one side alone")
        if self._state is State.OPEN and not self._ending:
            self._ending = True
            self._outbox.set_sending()
            if not self._outbox.size:
                self.all_sent()

    def can_write_eof(self) -> bool:
        return self._tls is None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the water marks in bytes, as asyncio does: `low` is a quarter of `high` if only that is given."""
        self._outbox.set_marks(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return `(low, high)`, in asyncio's order."""
        return self._outbox.buffer.low, self._outbox.buffer.high

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait to be sent, encrypted already where there is TLS."""
        return self._outbox.size

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
        tls = TLSFilter(context, server_side, server_hostname)
        self._outbox.hand_over()
        self._inbox.hand_over(self._adopt(self._protocol))
        unread = self._inbox.take_unread()
        if initial is None and unread:
            return self._lose(behind_the_switch(len(unread)))
        return self._begin_tls(tls, snapshot(initial or b"") + unread, on_done or nothing_to_do)

    def _begin_tls(self, tls: TLSFilter, first: bytes, on_done: Callable[[], object] = nothing_to_do) -> None:
        """Shake hands; `first` is what has come of the peer's part already."""
        timeout = self._limits.handshake_timeout
        session = self._tls = self._inbox.tls = Session(tls, self._outbox, self._deadlines, timeout, self)
        session.on_done = on_done
        session.begin()
        self._inbox.set_interest()
        if first:
            self._inbox.take_plain(session.received(first))

    def secured(self, facts: dict[str, Any]) -> None:
        assert self._tls is not None
        self._facts().update(facts)
        if self._state is State.NEW:
            self._open()
        elif self._state is State.CLOSING:
            self._end_closing()
        else:
            self.call(self._tls.on_done)
            self._inbox.set_interest()

    # --- protocol and facts

    def set_protocol(self, protocol: Any) -> None:
        """Go on with another protocol: it gets every byte that the present one was not given; if much waits it is told.

        Messages of a list that the present one took by overriding `messages_received` are its own.
        """
        self._outbox.buffer.paused = False
        self._hand_over(protocol)
        self._inbox.after_delivery()
        self._outbox.check_high()

    def _hand_over(self, protocol: Any) -> None:
        self._outbox.hand_over()
        self._inbox.hand_over(self._adopt(protocol))
        self._set_pump()

    def _set_pump(self) -> None:
        """Let a pump do the ordinary part, where the socket is plain and the protocol framed."""
        inbox, outbox = self._inbox, self._outbox
        if self._tls is None and self._state is State.OPEN and isinstance(inbox.delivery, FrameDelivery):
            pump = inbox.delivery.pump(self._sock, inbox.memory, inbox, outbox, self._loop.defer_flush)
            pump.clocked = self._limits.idle_timeout is not None
            inbox.use(pump)
            outbox.use(pump)

    def get_protocol(self) -> Any:
        return self._protocol

    def _adopt(self, protocol: Any) -> Delivery:
        self._protocol = protocol
        if isinstance(protocol, Protocol):
            protocol.transport = self
        return delivery_to(protocol, self)

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

        What isn't sent in `timeout` seconds (None: `Limits.close_timeout`) is lost: the connection is reset.
        """
        if self._state is State.NEW:
            return self._lose(None)
        if self._state is not State.OPEN:
            return None
        self._move(State.CLOSING)
        self._inbox.set_interest()
        self._deadlines.start("close_timeout", self._limits.close_timeout if timeout is None else timeout)
        return self._end_closing()

    def _end_closing(self) -> None:
        """Say goodbye and end, if nothing waits any more: not for the peer, and not for a handshake."""
        if self._tls is not None:
            self._tls.end(last=self._inbox.ended and not self._outbox.size)
        if self._state is State.CLOSING and not self._outbox.size:
            self._lose(None)

    def close_when_quiet(self) -> None:
        """Close as soon as no message is half received, undelivered or unsent; never from inside this call."""
        if not self._draining:
            self._draining = True
            self._outbox.hand_over()
            self._inbox.use(None)
        self._loop.call_soon(self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        if self._inbox.is_quiet() and not self._outbox.size:
            self.close()

    def abort(self) -> None:
        """End now: what waits is dropped, the peer gets RST. `connection_lost(None)` comes at the end of this turn."""
        self._outbox.close(send_last=False)
        self._lose(None, reset=True)

    def is_closing(self) -> bool:
        return self._state in (State.CLOSING, State.LOST)

    def may_lose_bytes(self) -> bool:
        """Tell whether a reset, should the peer still send, could cost it what it was sent last."""
        sent = self._outbox.bytes_sent > 0 or sockets.is_unsettled(self._sock)
        return sent and not (self.reset or self._inbox.ended)

    def is_open(self) -> bool:
        return self._state is State.OPEN

    def _lose(self, cause: BaseException | None, reset: bool = False) -> None:
        """End, with the first cause. `connection_lost` comes when the callbacks of this turn are done."""
        self.reset = self.reset or reset  # an abort() after a close() still resets
        if self._state is State.LOST:
            return
        self._move(State.LOST)
        self._cause = cause
        self._outbox.close(send_last=not isinstance(cause, OSError) or isinstance(cause, ssl.SSLError))
        self._watch.close()
        self._deadlines.close()
        self._loop.defer_close(self._finish)

    def timed_out(self, exc: ConnectionTimeout) -> None:
        self._lose(exc, reset=True)

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
            self._inbox.delivery.end()
            self._on_end(self, cause, self._sock)

    def _move(self, state: State) -> None:
        assert state in MOVES[self._state], f"{self._state} to {state}"
        self._state = state
        self._outbox.set_sending()
        self._inbox.set_reading()

    def may_queue(self) -> bool:
        """Tell whether what is written needs no more than to be sent."""
        return self._state is State.OPEN and self._tls is None and not (self._ending or self._draining)

    # --- user code

    def call(self, callback: Callable[..., object], *args: Any) -> object:
        """Call user code. What it raises is reported and ends this connection only: look at the state after it."""
        try:
            result = callback(*args)
        except BaseException as exc:
            self.callback_raised(exc)
            return None
        if self._draining and self._state is State.OPEN:
            self.close_when_quiet()
        return result

    def callback_raised(self, exc: BaseException) -> None:
        if isinstance(exc, (KeyboardInterrupt, SystemExit)):
            raise exc
        report(self._loop, exc, self, self._protocol)
        if self._state is State.OPEN:  # else it is ending already, and that was the first cause
            self._lose(exc)

    def __repr__(self) -> str:
        return f"<Connection {self._state.value} peer={self._peername!r}>"
