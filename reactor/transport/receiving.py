"""Receiving: the policy of what comes. Law: in order, only while the protocol reads, and the end behind all of it."""

from __future__ import annotations

from ..errors import FramingError
from ..protocol import FramedProtocol
from . import sockets
from .core import Core, State
from .limits import with_read_timeout
from .tls import Session, behind_the_switch


class Receiving(Core):
    """What a stream asks of its connection when it has received, and what a protocol may say about that."""

    __slots__ = ()

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading()`; not even messages that are decoded already. Idempotent."""
        self._loop.check_thread("pause_reading")
        if not self._paused:
            self._loop.counts["pauses_reading"] += 1
        self._paused = True
        self._stop_waiting("frame_timeout")  # it is not the peer who is slow now
        self._tell_stream()

    def resume_reading(self) -> None:
        """Deliver again, first what was left, from a callback of the next turn. Idempotent."""
        self._loop.check_thread("resume_reading")
        if self._paused:
            self._paused = False
            if self._state is State.OPEN:
                self.touched(False)
            self._look_later()
            if self._unsendable is not None:
                self._loop.call_after_look(self._give_up)

    def set_read_timeout(self, seconds: float | None) -> None:
        """Bound from now on how long the peer may send no byte; None for no bound. In place of `Limits.read_timeout`.

        For what two sides agree on: a keep-alive, a heartbeat.
        """
        self._loop.check_thread("set_read_timeout")
        self._limits = with_read_timeout(self._limits, seconds)
        self._wind_clock()
        self._stop_waiting("read_timeout")
        if self._state is State.OPEN and not self._told:
            self._await("read_timeout", seconds)

    def is_reading(self) -> bool:
        """Tell whether the protocol may be given anything: it is open, and not paused."""
        return self._stream.reading and not self._shakes_hands()

    def keep(self, messages: list[bytes]) -> None:
        """Keep messages of a list that the protocol was given and has not come to."""
        self._loop.check_thread("keep")
        if self._shakes_hands():
            size = self._protocol.framing.wire_length if isinstance(self._protocol, FramedProtocol) else len
            self._break(behind_the_switch(sum(map(size, messages))))
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

    def _go_on(self) -> None:
        """Deliver what was left, then the end if that has come, too."""
        self._go_on_due = False
        if self._state is State.LOST:
            return
        if self._stream.left and self._may_resume():
            self._stream.resume()
        else:
            self.delivered()

    def _bound_frame(self) -> None:
        """Bound the time that a frame takes; for one that is streamed or discarded, the time between its pieces."""
        if not self._stream.in_frame:
            return self._stop_waiting("frame_timeout")
        offset = self._stream.frame_offset
        if not self._paused and (offset != self._bounded_at or not self._awaits("frame_timeout")):
            self._bounded_at = offset
            self._await("frame_timeout", self._limits.frame_timeout)
        return None

    # --- the peer's end

    def read_failed(self, exc: OSError) -> None:
        self._lose(exc)

    def socket_ended(self) -> None:
        session, known = self._stream.session, self._peer_ended
        self._peer_ended = True
        if session is not None and not known and not self._may_end(session):
            return self._break(session.truncated())
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
            self._stop_waiting(wait)
        if self._unsendable is not None:
            return self._lose(None)
        if self._stream.decoder is not None:
            try:
                self._stream.decoder.feed_eof()
            except FramingError as exc:
                return self._break(exc.with_traceback(None))  # its frames know the decoder, which knows it
            except BaseException as exc:  # a decoder of the user's own, or one that was detached
                return self.callback_raised(exc)
        keep_open = self.call(self._protocol.eof_received)
        self._half_open = bool(keep_open) and not self._ended and self._tls is None
        if self._state is State.OPEN and not self._half_open:
            return self.close()
        if self._state is State.OPEN:  # nothing more can come, but the peer may go
            self._loop.watch_end(self._sock, self._peer_gone)
        return self._tell_stream()

    def _peer_gone(self) -> None:
        """End if the socket has failed; a peer that hung up in good order is met by what is written next."""
        error = sockets.error_of(self._sock)
        if error is not None:
            self._lose(error)

    def _break(self, exc: Exception) -> None:
        """End since the stream broke: what was answered before, and what is now, still leaves."""
        if self._state is State.NEW:
            return self._fail(exc)
        if self._state is State.CLOSING:  # TLS broke while a close waited for it, so not all has left
            self._cause = self._cause or exc
            return self._end_closing()
        if self._state is State.OPEN and self._cause is None:
            self._cause = exc
            self._tell_stream()
            if isinstance(exc, FramingError) and isinstance(self._protocol, FramedProtocol):
                mistake = exc.__cause__  # a ValueError is what a `read_header` says of a peer's header
                try:
                    if mistake is not None and not isinstance(mistake, ValueError):
                        self.report(mistake)
                    self.call(self._protocol.framing_failed, exc)
                finally:  # a KeyboardInterrupt goes through here, and leaves no connection that neither reads nor ends
                    self.close()
        return self.close()

    def _fail(self, exc: Exception) -> None:
        """End before the connection was made; TLS may have an alert for the peer."""
        self._stream.leave()
        self._lose(exc)
