"""Connection: one stream between a socket and a protocol. The stream moves the bytes, and asks here at the edges."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ..errors import ConnectionTimeout
from ..framing import BytesLike, Framing
from ..handlers import check_protocol
from ..late import ssl
from ..loop.handle import check_plain
from ..loop.watch import nothing_to_do
from ..protocol import Hold, Protocol
from . import sockets
from .buffers import FLOWS, snapshot
from .core import State
from .receiving import Receiving
from .sending import Sending
from .tls import TLS, Session, behind_the_switch

TRAFFIC = ("bytes_received", "bytes_sent", "frames_received", "frames_sent", "writes_dropped")  # counts of a stream
_SILENCE = ("idle_timeout", "read_timeout", "first_message_timeout")
_traffic_of = attrgetter(*TRAFFIC)


class Connection(Receiving, Sending):
    """A stream transport: asyncio's `Transport` methods, with bounds.

    Loop thread only: while the loop runs, what does anything raises RuntimeError on another thread. Asking is free.

    `on_end(connection, cause, socket)` is called once, after `connection_lost`, and is given the socket to close;
    `made` then tells whether the protocol was ever told of the connection.
    """

    __slots__ = ()

    def start(self) -> None:
        """Shake hands if there is TLS, then call `connection_made` and begin to read."""
        try:
            self._adopt(self._protocol, b"")
            if self._state is not State.NEW:  # its framing is user code, which may have ended us
                return None
            if self._tls is not None:
                return self._begin_tls(self._tls, b"")
        except BaseException as exc:
            return self.callback_raised(exc)
        return self._open()

    def _open(self) -> None:
        self._move(State.OPEN)
        if self._state is not State.OPEN:  # nobody can watch it
            return
        if self._stream.clocked:
            self.touched(False)
        self._make()

    def _make(self) -> None:
        """Tell the protocol, once: no function of ours is between the two lines that a signal handler could end."""
        self.made = True
        try:
            self._protocol.connection_made(self)
        except BaseException as exc:
            self.callback_raised(exc)

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
        self._loop.check_thread("start_tls")
        if self._tls is not None or self._state is not State.OPEN:
            raise RuntimeError("start_tls() needs an open connection without TLS")
        check_plain("on_done", on_done)
        tls, first = TLS(context, server_side, server_hostname), snapshot(initial or b"")
        held = self._stream.take_held()  # messages that were cut already: no handshake can begin so
        self._stream.adopt(self._protocol)
        unread = self._stream.take_rest()
        if held or (initial is None and unread):
            return self._break(behind_the_switch(sum(map(len, held)) + len(unread)))
        self._stream.adopt(self._protocol)
        self._tls = tls
        self._on_secured = on_done or nothing_to_do
        return self._begin_tls(tls, first + unread)

    def _begin_tls(self, tls: TLS, first: bytes) -> None:
        """Shake hands; `first` is what has come of the peer's part already."""
        self._stop_waiting("frame_timeout")
        self._await("handshake_timeout", self._limits.handshake_timeout)
        self._stream.secure(Session(tls), first)
        self._look_later()

    def secured(self) -> None:
        """Go on now that the handshake is complete. Its facts are taken before anything else is read."""
        session = self._stream.session
        assert session is not None
        self._stop_waiting("handshake_timeout")
        self._extra = {**(self._extra or {}), **session.facts()}
        self._stream.defer()  # what waited for this
        if self._state is State.NEW:
            self._open()
        elif self._state is State.CLOSING:
            self._end_closing()
        elif self._state is State.OPEN:
            try:
                self.call(self._tell_secured)
            finally:
                self._look_later()

    def _tell_secured(self) -> None:
        on_secured, self._on_secured = self._on_secured, nothing_to_do
        on_secured()

    # --- protocol and facts

    def set_protocol(self, protocol: Any, initial: BytesLike = b"") -> None:
        """Go on with another protocol: it gets every byte that the present one was not given; if much waits it is told.

        `initial`: bytes that the present one was given and has read too far; they come first. Messages of a list that
        the present one took by overriding `messages_received` are its own.
        """
        self._loop.check_thread("set_protocol")
        check_protocol(protocol, "set_protocol() was given")
        if self._state is State.LOST:
            if isinstance(protocol, Protocol):
                protocol.transport = self
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
        """Return the protocol that is called now."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return "peername", "sockname", "socket", and under TLS "ssl_object", "sslcontext", "peercert", "cipher".

        Behind a `ProxyHeader` "peername" is whom the proxy came for, and "proxy" what else it said, a `ProxyInfo`.
        """
        if name == "peername":
            return self._peername
        return self._facts().get(name, default)

    def _facts(self) -> dict[str, Any]:
        if self._extra is None or "socket" not in self._extra:
            self._extra = {**sockets.facts(self._sock), **(self._extra or {})}
        return self._extra

    def know(self, facts: dict[str, Any]) -> None:
        """Take what else `get_extra_info()` tells; "socket" is among it if somebody knows the socket better."""
        self._extra = facts

    @property
    def stream(self) -> Any:
        """What moves its bytes, for who reads in the place of the socket."""
        return self._stream

    def traffic(self) -> tuple[int, ...]:
        """Return what `TRAFFIC` names, of this connection."""
        return _traffic_of(self._stream)

    def leave_traffic(self) -> None:
        """Add that to the loop's counts, which outlive this connection; one by one, for a loop takes twice as long."""
        stream, counts = self._stream, self._loop.counts
        counts["bytes_received"] += stream.bytes_received
        counts["bytes_sent"] += stream.bytes_sent
        counts["frames_received"] += stream.frames_received
        counts["frames_sent"] += stream.frames_sent
        counts["writes_dropped"] += stream.writes_dropped

    # --- ends

    def hold(self) -> Hold:
        """Return a Hold: while one is held, a drain takes the connection for busy."""
        self._loop.check_thread("hold")
        self._holds += 1
        return Hold(self._let_go)

    def _let_go(self) -> None:
        self._loop.check_thread("release")
        self._holds -= 1
        if self._draining and self._state is State.OPEN:
            self.close_when_quiet()

    def may_lose_bytes(self) -> bool:
        """Tell whether a reset, should the peer still send, could cost it what it was sent last."""
        sent = self._stream.bytes_sent > 0 or sockets.is_unsettled(self._sock)
        return sent and self.may_cross()

    def may_cross(self) -> bool:
        """Tell whether the peer may say something while we close: a reset to it, if it isn't told our end before."""
        return not (self.reset or self._peer_ended)

    def excuses(self, wait: str) -> bool:
        """Whether a wait isn't over: bytes still come, or the peer has sent what we don't read."""
        if wait in ("idle_timeout", "read_timeout") and self._paused and sockets.has_unread(self._sock):
            self._await(wait, getattr(self._limits, wait))
            return True
        if wait in ("write_timeout", "close_timeout"):
            return False  # whatever a peer sends, it takes nothing
        before = self._received
        if self._still_comes():
            return True
        # a peer that we let wait could send no more than a window: it goes on when that is read
        return wait == "frame_timeout" and self._received - before >= FLOWS

    def has_spoken(self) -> bool:
        """Whether the peer has said something: a whole message, or a byte to a protocol of bytes."""
        return self._stream.heard or self._stream.frames_received > 0

    def may_have_spoken(self) -> bool:
        """Whether it could be that it has, or that it needn't: bytes still come or aren't read, or it has ended."""
        if self._told or self._state in (State.CLOSING, State.LOST):
            return True
        return self._still_comes() or (self._paused and (self._stream.left or sockets.has_unread(self._sock)))

    def stayed_silent(self, seconds: float) -> None:
        """End, since no first message came."""
        what = "byte" if self._stream.decoder is None else "whole message"
        text = f"no {what} came from the peer in its first {seconds:g} s, which is first_message_timeout"
        self.timed_out("first_message_timeout", ConnectionTimeout(text))

    def timed_out(self, wait: str, exc: ConnectionTimeout) -> None:
        """End; in good order where nobody owes anybody a byte."""
        self._loop.counts[f"timeouts_{wait.removesuffix('_timeout')}"] += 1
        if self._stream.in_frame and wait in ("first_message_timeout", "frame_timeout"):
            exc = ConnectionTimeout(": ".join(filter(None, (str(exc), self._stream.progress))))
        if wait in _SILENCE and self._state is State.OPEN and not self._stream.waiting:
            self._cause = self._cause or exc
            self.close()
        else:
            self._lose(exc, reset=True)

    def mend(self) -> None:
        """Put in order what an exception out of nowhere has left between two lines. May be done at any time, and twice.

        Each line here asks for what the state says is due, and costs nothing where it is under way.
        """
        if self._state is State.LOST:
            if self._on_end is not None:
                self._stop()
            return
        if self._stream.clocked:
            self.touched(False)
        if self._deadlines is not None:
            self._deadlines.mend()
        self._go_on_due = False
        if self._stream.blocked:
            self._await_room(progress=False)
        self._stream.defer_anew()
        self._tell_stream()
        self._mend_state()

    def _mend_state(self) -> None:
        session = self._stream.session
        if self._state is State.NEW and session is None:
            self.start()
        elif self._state is State.OPEN and not self.made:
            self._make()
        elif (
            session is not None
            and session.secured
            and (self._state is State.NEW or self._on_secured is not nothing_to_do)
        ):
            self.secured()
        elif self._state is State.CLOSING:
            self._bound_close()
            self._end_closing()
        elif self._cause is not None or (self._told and not self._half_open):
            self.close()
        elif self._stream.reading or self._shakes_hands():
            self._loop.call_soon(self._go_on_anew)
        if self._unsendable is not None:
            self._loop.call_after_look(self._give_up)
        if self._draining:
            self.close_when_quiet()

    def _go_on_anew(self) -> None:
        if self._stream.reading or self._shakes_hands():
            self._stream.resume()

    def __repr__(self) -> str:
        return f"<Connection {self._state.value} peer={self._peername!r}>"
