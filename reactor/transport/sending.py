"""Sending: the policy of what waits. Law: one door, and the cap stands there; each mark is told once, in turns."""

from __future__ import annotations

from collections.abc import Iterable
from selectors import EVENT_WRITE

from ..errors import WriteBufferFull
from ..framing import BytesLike
from . import sockets
from .buffers import SEND_AT_ONCE
from .core import Core, State
from .limits import water_marks
from .tls import size_on_wire


class Sending(Core):
    """What a stream asks of its connection when it sends, and the writing half of a transport."""

    __slots__ = ()

    def write(self, data: BytesLike) -> None:
        """Queue bytes; they leave with the others of this turn. Never blocks; the caller may reuse `data` at once.

        After `close()` and after the end, data is dropped and counted. Raises RuntimeError after `write_eof()`, and
        WriteBufferFull where `Limits.overflow` is "raise".
        """
        self._stream.write(data)

    def writelines(self, chunks: Iterable[BytesLike]) -> None:
        """Queue chunks as one write: all of them or none."""
        self._stream.writelines(chunks)

    @property
    def writes_dropped(self) -> int:
        """How many writes came too late, or found no room under `overflow="drop"`."""
        return self._stream.writes_dropped

    @property
    def unsendable(self) -> Exception | None:
        """Why nothing more can be sent, though what the peer sent is still delivered; None while it can."""
        return self._unsendable

    def admit(self, size: int) -> bool:
        """Whether a write may be queued that the stream has no room for. Raises WriteBufferFull if so agreed."""
        if self._state is not State.OPEN or self._unsendable is not None:
            return False
        if self._ending:
            raise RuntimeError("write() after write_eof()")
        if self._fits(size):
            return True
        if not self._stream.blocked:  # else TLS would make a record of each write
            self._stream.leave()
        if self._fits(size) or self._state is not State.OPEN:
            return self._state is State.OPEN and self._unsendable is None
        if self._limits.overflow == "raise":
            raise self._full(size)  # by no name, or it and this frame would know each other
        if self._limits.overflow == "abort":
            self._lose(self._full(size), reset=True)
        return False

    def admit_own(self, size: int) -> bool:
        """Whether TLS may queue a word of its own: a peer that makes it speak and doesn't read has no other bound."""
        if self._state in (State.NEW, State.OPEN) and not self._fits(size):
            self._lose(self._full(size), reset=True)
        return self._state is not State.LOST and self._unsendable is None

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
        if not self._stream.blocked and self._stream.waiting > min(SEND_AT_ONCE, self._high):
            self._stream.leave()
        self._check_high()

    def _check_high(self) -> None:
        """Tell the protocol once that more than `high` bytes wait."""
        if self._state is State.OPEN and not self._writing_paused and self._stream.waiting > self._high:
            self._writing_paused = True
            self._loop.counts["pauses_writing"] += 1
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
            self._loop.counts["partial_sends"] += 1
            self._await_room(count > 0)
            self._tell_stream()
        elif self._watch.mask & EVENT_WRITE:
            self._stop_sending()
        if not self._to_leave():
            self._all_sent()

    def _await_room(self, progress: bool) -> None:
        self._stream.blocked = True
        self._await_progress(progress)
        self._watch.on_write = self._write_ready
        self._want(self._watch.mask | EVENT_WRITE)

    def _await_progress(self, progress: bool) -> None:
        if self._state is State.CLOSING:
            if progress:
                self._await("close_timeout", self._patience)
        elif progress or not self._awaits("write_timeout"):
            self._await("write_timeout", self._limits.write_timeout)

    def _stop_sending(self) -> None:
        self._stream.blocked = False
        self._want(self._watch.mask & ~EVENT_WRITE)
        self._stop_waiting("write_timeout")
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

    def write_eof(self) -> None:
        """End our side once all is sent; the peer may go on. Idempotent. Under TLS there is no such thing."""
        self._loop.check_thread("write_eof")
        if self._tls is not None:
            raise RuntimeError("write_eof() under TLS: it can't end one side alone")
        if self._state is State.OPEN and not self._ending:
            self._ending = True
            self._tell_stream()
            if not self._stream.waiting:
                self._all_sent()

    def can_write_eof(self) -> bool:
        """Tell whether `write_eof()` can be called: not under TLS, which ends both sides."""
        return self._tls is None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the water marks in bytes, as asyncio does: `low` is a quarter of `high` if only that is given."""
        self._loop.check_thread("set_write_buffer_limits")
        self._high, self._low = water_marks(high, low, self._limits.high_water)
        self._tell_stream()
        self._check_high()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return `(low, high)`, in asyncio's order."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait to be sent, encrypted already or not yet where there is TLS."""
        return self._stream.waiting
