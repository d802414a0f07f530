"""Connection: one stream between a socket and a protocol.

Laws: the state is one word, moved in one place. Every way of writing ends in `_enqueue`, every end in `_lose`. Our own
state is in order before user code is called, and is looked at again after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from selectors import EVENT_READ, EVENT_WRITE
from socket import socket
from typing import Any

from ..errors import ConnectionTimeout, FramingError, WriteBufferFull
from ..framing import BytesLike
from ..loop import EventLoop
from ..protocol import Protocol
from . import sockets
from .buffers import WriteBuffer, snapshot
from .deadlines import Deadlines
from .delivery import Delivery, delivery_to
from .limits import Limits
from .reports import report
from .state import MOVES, State

_SEND_AT_ONCE = 64 * 1024  # more than this doesn't wait for the end of the turn


class Connection:
    """A stream transport: asyncio's `Transport` methods, with bounds. Loop thread only.

    `on_lost(connection)` is called after `connection_lost`, for whoever keeps the connection.
    """

    def __init__(
        self,
        loop: EventLoop,
        sock: socket,
        protocol: Any,
        limits: Limits,
        inbox: memoryview,
        peername: Any,
        on_lost: Callable[[Connection], object],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._limits = limits
        self._inbox = inbox  # where reads go first: shared by all connections of a loop, so valid until the next read
        self._extra = {"socket": sock, "peername": peername}
        self._on_lost = on_lost
        self._state = State.NEW
        self._cause: BaseException | None = None
        self._reset = False
        self._paused = False  # by the protocol
        self._peer_ended = False
        self._ending = self._ended = False  # write_eof() was called; FIN was sent
        self._flush_due = self._resume_due = False
        self._buffer = WriteBuffer(limits.high_water, limits.low_water)
        self._deadlines = Deadlines(loop, self._time_out)
        self._watch = loop.watch(sock, self._read_ready, self._write_ready)
        self._rest = b""  # bytes that an earlier protocol left to this one
        self.bytes_received = self.bytes_sent = self.writes_dropped = 0
        self._adopt(protocol)

    def start(self) -> None:
        """Call `connection_made`, then begin to read."""
        self._move(State.OPEN)
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        protocol = self._protocol
        framing = getattr(protocol, "framing", None)
        try:
            self._call(protocol.connection_made, self)
        finally:  # a KeyboardInterrupt goes through here, and leaves a connection that works
            if self._protocol is protocol and getattr(protocol, "framing", None) is not framing:
                self._adopt(protocol)  # it chose its framing when it saw the peer
            self._set_interest()

    # --- reading

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading()`; not even messages that are decoded already. Idempotent."""
        self._paused = True
        self._deadlines.stop("frame_timeout")  # it is not the peer who is slow now
        self._set_interest()

    def resume_reading(self) -> None:
        """Deliver again, first what was left, from a callback of the next turn. Idempotent."""
        if self._paused:
            self._paused = False
            self._after_delivery()

    def is_reading(self) -> bool:
        return self._state is State.OPEN and not self._paused

    def _set_interest(self) -> None:
        reading = self._state is State.OPEN and not (self._paused or self._peer_ended or self._has_left())
        writing = self._watch.mask & EVENT_WRITE
        self._watch.want(writing | EVENT_READ if reading else writing)

    def _has_left(self) -> bool:
        return bool(self._rest) or self._delivery.left > 0

    def _read_ready(self) -> None:
        delivery = self._delivery
        own = delivery.own_buffer()
        buffer = self._inbox if own is None else own
        try:
            count = sockets.receive(self._sock, buffer)
        except OSError as exc:
            return self._lose(exc)
        if count is None:
            return None
        if count == 0:
            return self._read_eof()
        self.bytes_received += count
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        if own is None:
            return self._deliver(delivery.put, buffer[:count])
        return self._deliver(delivery.filled, count)

    def _deliver(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            self._call(callback, *args)
        finally:
            self._after_delivery()

    def _after_delivery(self) -> None:
        """Look at what the protocol has made of it."""
        if self._state is not State.OPEN:
            return
        if self._delivery.error is not None:
            return self._lose(self._delivery.error)
        if self._has_left():
            if not (self._paused or self._resume_due):
                self._resume_due = True
                self._loop.call_soon(self._resume)
            return self._set_interest()
        if not self._delivery.in_frame:
            self._deadlines.stop("frame_timeout")
        elif "frame_timeout" not in self._deadlines and not self._paused:
            self._deadlines.start("frame_timeout", self._limits.frame_timeout)
        return self._set_interest()

    def _resume(self) -> None:
        """Deliver what an earlier delivery left."""
        self._resume_due = False
        if not self.is_reading():
            return
        if self._rest:
            rest, self._rest = self._rest, b""
            self._deliver(self._delivery.put, memoryview(rest))
        else:
            self._deliver(self._delivery.resume)

    def _read_eof(self) -> None:
        self._peer_ended = True
        self._set_interest()
        self._deadlines.stop("frame_timeout")
        try:
            self._delivery.eof()
        except FramingError as exc:
            return self._lose(exc)
        keep_open = self._call(self._protocol.eof_received)
        if self._state is State.OPEN and (not keep_open or self._ended):
            self.close()
        return None

    # --- writing

    def write(self, data: BytesLike) -> None:
        """Queue bytes; they leave with the others of this turn. Never blocks; the caller may reuse `data` at once.

        After `close()` and after the end, data is dropped and counted. Raises RuntimeError after `write_eof()`, and
        WriteBufferFull where `Limits.overflow` is "raise".
        """
        chunk = snapshot(data)
        self._enqueue((chunk,), len(chunk))

    def writelines(self, chunks: Iterable[BytesLike]) -> None:
        """Queue chunks as one write: all of them or none."""
        snapshots = [snapshot(chunk) for chunk in chunks]
        self._enqueue(snapshots, sum(map(len, snapshots)))

    def _enqueue(self, chunks: Iterable[bytes], size: int) -> None:
        if self._state is not State.OPEN:
            self.writes_dropped += 1
            return
        if self._ending:
            raise RuntimeError("write() after write_eof()")
        if size == 0 or not self._has_room(size):
            return
        buffer = self._buffer
        buffer.extend(chunks, size)
        if not self._watch.mask & EVENT_WRITE:  # else the peer must take something first
            if buffer.size > min(_SEND_AT_ONCE, buffer.high):
                self._send()
            elif not self._flush_due:
                self._flush_due = True
                self._loop.defer_flush(self._flush)
        if buffer.crossed_high() and self._state is State.OPEN:
            self._call(self._protocol.pause_writing)

    def _has_room(self, size: int) -> bool:
        """Hold the hard cap: more than `max_write_buffer` bytes never wait."""
        cap = self._limits.max_write_buffer
        if cap is None or self._buffer.size + size <= cap:
            return True
        if self._buffer.size and not self._watch.mask & EVENT_WRITE:
            self._send()
        if self._state is not State.OPEN or self._buffer.size + size <= cap:
            return self._state is State.OPEN
        full = WriteBufferFull(
            f"write of {size} bytes while {self._buffer.size} wait for the peer, max_write_buffer is {cap}"
        )
        if self._limits.overflow == "raise":
            raise full
        if self._limits.overflow == "abort":
            self._lose(full, reset=True)
        self.writes_dropped += 1
        return False

    def _flush(self) -> None:
        """Send what this turn has queued."""
        self._flush_due = False
        if self._buffer.size and not self._watch.mask & EVENT_WRITE:
            self._write_ready()

    def _write_ready(self) -> None:
        self._send()
        if self._buffer.crossed_low() and self._state is State.OPEN:
            self._call(self._protocol.resume_writing)

    def _send(self) -> None:
        """Send once, and see what that leaves to wait for."""
        buffer = self._buffer
        try:
            count = sockets.send(self._sock, buffer.next_chunks())
        except OSError as exc:
            return self._lose(exc)
        if count:
            buffer.consume(count)
            self.bytes_sent += count
            self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        if not buffer.size:
            return self._all_sent()
        if count or not self._watch.mask & EVENT_WRITE:
            self._deadlines.start("write_timeout", self._limits.write_timeout)
        return self._watch.add(EVENT_WRITE)

    def _all_sent(self) -> None:
        self._watch.remove(EVENT_WRITE)
        self._deadlines.stop("write_timeout")
        if self._state is State.CLOSING:
            return self._lose(None)
        if self._ending and not self._ended:
            self._ended = True
            sockets.end_writing(self._sock)
            if self._peer_ended:
                self.close()
        return None

    def write_eof(self) -> None:
        """End our side once all is sent; the peer may go on. Idempotent."""
        if self._state is State.OPEN and not self._ending:
            self._ending = True
            if not self._buffer.size:
                self._all_sent()

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the water marks in bytes, as asyncio does: `low` is a quarter of `high` if only that is given."""
        if high is None:
            high = self._limits.high_water if low is None else 4 * low
        self._buffer.set_marks(high, high // 4 if low is None else low)
        if self._buffer.crossed_high():
            self._call(self._protocol.pause_writing)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return `(low, high)`, in asyncio's order."""
        return self._buffer.low, self._buffer.high

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait to be sent."""
        return self._buffer.size

    # --- protocol and facts

    def set_protocol(self, protocol: Any) -> None:
        """Go on with another protocol; it gets every byte that the present one was not given.

        Messages of a list that the present one took by overriding `messages_received` are its own.
        """
        self._rest = self._delivery.take_rest() + self._rest
        self._buffer.paused = False
        self._adopt(protocol)
        if self._rest:
            self._after_delivery()

    def get_protocol(self) -> Any:
        return self._protocol

    def _adopt(self, protocol: Any) -> None:
        self._protocol = protocol
        if isinstance(protocol, Protocol):
            protocol.transport = self
        self._delivery: Delivery = delivery_to(protocol, self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return "peername", "sockname" or "socket"."""
        if name == "sockname" and name not in self._extra:
            self._extra[name] = self._sock.getsockname()
        return self._extra.get(name, default)

    # --- ends

    def close(self, timeout: float | None = None) -> None:
        """Deliver nothing more, send what waits, then end. Idempotent.

        What isn't sent in `timeout` seconds (None: `Limits.close_timeout`) is lost: the connection is reset.
        """
        if self._state is not State.OPEN:
            return
        self._move(State.CLOSING)
        self._set_interest()
        if not self._buffer.size:
            return self._lose(None)
        return self._deadlines.start("close_timeout", self._limits.close_timeout if timeout is None else timeout)

    def abort(self) -> None:
        """End now: what waits is dropped, the peer gets RST. `connection_lost(None)` comes at the end of this turn."""
        self._buffer.clear()
        self._lose(None, reset=True)

    def is_closing(self) -> bool:
        return self._state in (State.CLOSING, State.LOST)

    def _time_out(self, error: ConnectionTimeout) -> None:
        self._lose(error, reset=True)

    def _lose(self, cause: BaseException | None, reset: bool = False) -> None:
        """End, with the first cause. `connection_lost` comes when the callbacks of this turn are done."""
        self._reset = self._reset or reset  # an abort() after a close() still resets
        if self._state is State.LOST:
            return
        if not isinstance(cause, OSError) and self._buffer.size and not self._watch.mask & EVENT_WRITE:
            self._send_last()
        self._move(State.LOST)
        self._cause = cause
        self._watch.want(0)
        self._deadlines.close()
        self._loop.defer_close(self._finish)

    def _send_last(self) -> None:
        """Try once to send what was queued in this turn: the answers to good messages before a bad one."""
        try:
            count = sockets.send(self._sock, self._buffer.next_chunks())
            self._buffer.consume(count)
            self.bytes_sent += count
        except OSError:
            pass  # there is a cause already

    def _finish(self) -> None:
        cause, self._cause = self._cause, None
        try:
            self._protocol.connection_lost(cause)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            report(self._loop, exc, self, self._protocol)
        finally:
            sockets.close(self._sock, self._reset)
            self._buffer.clear()
            self._on_lost(self)

    def _move(self, state: State) -> None:
        assert state in MOVES[self._state], f"{self._state} to {state}"
        self._state = state

    # --- user code

    def _call(self, callback: Callable[..., object], *args: Any) -> object:
        """Call user code. What it raises is reported and ends this connection only: look at the state after it."""
        try:
            return callback(*args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            report(self._loop, exc, self, self._protocol)
            if self._state is State.OPEN:  # else it is ending already, and that was the first cause
                self._lose(exc)
            return None

    def __repr__(self) -> str:
        return f"<Connection {self._state.value} peer={self._extra['peername']!r}>"
