"""The sending half of the pure stream. Law: one door, one queue, one counter; encrypted once, sent once a turn."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any
from typing import Protocol as Interface

from ..framing import BytesLike, Encoder, Framing
from ..late import ssl
from ..protocol import FramedProtocol
from .buffers import JOIN_BELOW, PLAIN_ROOM, READ_SIZE, WriteBuffer, snapshot
from .tls import Session

_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # for programs that have given SIGPIPE its default back

if hasattr(socket.socket, "sendmsg"):

    def _gather(sock: socket.socket, chunks: list[bytes | bytearray | memoryview]) -> int:
        """Send several chunks at once."""
        return sock.sendmsg(chunks, (), _NO_SIGNAL)

else:

    def _gather(sock: socket.socket, chunks: list[bytes | bytearray | memoryview]) -> int:
        """Send several chunks at once, as many as a copy is cheap of. For Windows."""
        joined = bytearray(chunks[0][:READ_SIZE])
        for chunk in chunks[1:]:
            joined += chunk[: READ_SIZE - len(joined)]
        return sock.send(joined, _NO_SIGNAL)


class Owner(Interface):
    """Who is asked at the edges of sending. Each call may end the connection."""

    def check_thread(self, name: str) -> None: ...
    def admit(self, size: int) -> bool: ...
    def admit_own(self, size: int) -> bool: ...
    def much_waits(self) -> None: ...
    def touched(self, sending: bool) -> None: ...
    def sent(self, count: int) -> None: ...
    def send_failed(self, exc: OSError) -> None: ...
    def turn_ended(self) -> None: ...


class Sender:
    """Queues what is written, and sends it at the end of the turn."""

    _sock: socket.socket
    _owner: Owner
    _framing: Framing | None
    protocol: Any
    session: Session | None
    room: int
    alert: bool
    clocked: bool
    blocked: bool
    bytes_sent: int
    frames_sent: int
    writes_dropped: int

    def __init__(self, defer: Callable[[Callable[[], object]], object], runs_on: list[int]) -> None:
        self._defer = defer
        self._runs_on = runs_on
        self._encoder: Encoder | None = None
        self._out = self._new = WriteBuffer()  # what is ready for the socket; where what is written goes
        self._flush_due = False

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return self._out.size if self._new is self._out else self._out.size + self._new.size

    @property
    def unsent(self) -> int:
        """Bytes that wait and are ready for the socket."""
        return self._out.size

    def write(self, data: BytesLike) -> None:
        """Queue bytes; they leave with the others of this turn. Never blocks; the caller may reuse `data` at once.

        After `close()` and after the end, data is dropped and counted. Raises RuntimeError after `write_eof()`, and
        WriteBufferFull where `Limits.overflow` is "raise".
        """
        if self._runs_on[0] != get_ident():
            self._owner.check_thread("write")
        chunk = data if type(data) is bytes else snapshot(data)
        self._queue((chunk,), len(chunk))

    def writelines(self, chunks: Iterable[BytesLike]) -> None:
        """Queue chunks as one write: all of them or none."""
        if self._runs_on[0] != get_ident():
            self._owner.check_thread("writelines")
        snapshots = [snapshot(chunk) for chunk in chunks]
        self._queue(snapshots, sum(map(len, snapshots)))

    def send(self, message: BytesLike, prefix: BytesLike = b"") -> None:
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        if self._runs_on[0] != get_ident():
            self._owner.check_thread("send")
        body, encoder = snapshot(message), self._encoder
        if encoder is None:
            self._send_unlent(FramedProtocol.send, body, prefix)
            return
        size = len(body)
        if size < JOIN_BELOW:
            frame = encoder.encode(body, prefix)
            is_queued = self._queue((frame,), len(frame))
        else:
            parts = encoder.frame(body, prefix)
            is_queued = self._queue(parts, sum(map(len, parts)))
        if is_queued:
            self.frames_sent += 1

    def send_many(self, messages: Iterable[BytesLike]) -> None:
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        if self._runs_on[0] != get_ident():
            self._owner.check_thread("send_many")
        if self._encoder is None:
            self._send_unlent(FramedProtocol.send_many, messages)
            return
        parts = self._encoder.parts(messages)
        frames = len(parts) // 2
        size = sum(map(len, parts))
        if 2 * size < JOIN_BELOW * len(parts):  # small bodies for the most part
            parts = [b"".join(parts)]
        if self._queue(parts, size):
            self.frames_sent += frames

    def _send_unlent(self, send: Callable[..., object], *args: Any) -> None:
        """Send for somebody who has kept what his protocol was lent, and has it no more."""
        if self.protocol is None:  # the end, behind which data is dropped and counted
            self.writes_dropped += 1
        elif self._framing is None:
            raise RuntimeError("send() of a protocol that another one has followed, which sends no messages")
        else:
            send(self.protocol, *args)

    def _queue(self, chunks: Iterable[bytes], size: int) -> bool:
        """The one door to the queue; tell whether it was open."""
        if is_much := self.waiting + size > self.room:
            if not self._may_wait(size):
                self.writes_dropped += 1
                return False
            is_much = self.waiting + size > self.room
        for chunk in chunks:
            self._new.put(chunk)
        if size and not self._flush_due:
            self.defer()
        if is_much:
            self._owner.much_waits()
        return True

    def _may_wait(self, size: int) -> bool:
        """Whether so much more may wait, at the latest when what waits has left, at once."""
        if size <= self.room and not self.blocked:
            self.leave()
        return self.waiting + size <= self.room or self._owner.admit(size)

    def defer(self) -> None:
        """See to it that what waits leaves at the end of the turn. What is deferred is the stream itself."""
        if not self._flush_due:
            self._flush_due = True
            self._defer(self)

    def defer_anew(self) -> None:
        """Do the same, whatever became of an earlier time: an exception out of nowhere may have come between."""
        self._out.recount()
        self._new.recount()
        self._flush_due = False
        self.defer()

    def __call__(self) -> None:
        """Send what this turn has queued."""
        self._flush_due = False
        self.leave()
        if self.alert:
            self._owner.turn_ended()

    def leave(self) -> None:
        """Send what waits, once, unless the socket is waited for."""
        if self._new is not self._out and self._new.size:
            self._seal()
        if self.blocked or not self._out.size:
            return
        count = self._send()
        if count < 0:
            return
        self._out.consume(count)
        self.bytes_sent += count
        if self.clocked and count:
            self._owner.touched(True)
        if self._out.size or self.alert:
            self._owner.sent(count)

    def _send(self) -> int:
        """Send once; return how many bytes the socket took, -1 behind an error that was told."""
        chunks = self._out.next_chunks()
        try:
            if len(chunks) == 1:
                return self._sock.send(chunks[0], _NO_SIGNAL)
            return _gather(self._sock, chunks)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as exc:
            self._owner.send_failed(exc)
            return -1

    def drop(self) -> None:
        """Forget what waits."""
        self._out.clear()
        self._new.clear()

    # --- TLS

    def _hold_plain(self) -> None:
        """Let what waits leave plain, and what is written now wait for the handshake."""
        self._new = WriteBuffer(PLAIN_ROOM)

    def _seal(self) -> None:
        """Encrypt what waits: small writes are one chunk here, and so one record."""
        session, plain = self.session, self._new
        if session is None or not session.secured:
            return
        try:
            while plain.size:
                plain.consume(session.hot.write(plain.first(READ_SIZE)))
                self._out.put(session.outgoing.read())
        except ssl.SSLWantReadError:
            pass  # the peer renegotiates: what waits goes on when it has answered
        except ssl.SSLError as exc:
            self._owner.send_failed(exc)

    def goodbye(self) -> None:
        """Say behind what waits that no more will come, if TLS has words for that."""
        session = self.session
        if session is not None and session.secured:
            self._seal()
            if not self._new.size:
                session.goodbye()
                self.put_own()

    def put_own(self) -> None:
        """Queue what TLS itself has to say."""
        session = self.session
        if session is not None and session.begun and session.outgoing.pending:
            admitted = self._owner.admit_own(session.outgoing.pending)  # first: a KeyboardInterrupt in it loses nothing
            data = session.outgoing.read()
            if admitted:
                self._out.put(data)
                self.defer()
