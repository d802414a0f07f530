"""The pure twin of the pump: the reference, and the types of both.

Law: mechanism alone. It moves bytes between one plain socket and a codec while nothing out of the ordinary happens:
recv, frames out, messages in, one send. Everything else it hands to `Inbox` and `Outbox`, which have the states, the
limits and the waits: the end of the stream, an error, a frame that is begun, a message that was left, a short send.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from itertools import islice
from socket import socket
from typing import Protocol as Interface

from ..framing import BytesLike, Decoder, Encoder, Piece
from ..protocol import FramedProtocol
from .buffers import DIRECT_FROM, JOIN_BELOW, MESSAGES_PER_TURN, WriteBuffer


class Inbox(Interface):
    """Who takes over in receiving."""

    def read_ready(self) -> None: ...
    def read_nothing(self, count: int, code: int) -> None: ...
    def touch(self) -> None: ...
    def delivery_raised(self, exc: BaseException) -> None: ...
    def after_delivery(self) -> None: ...


class Outbox(Interface):
    """Who takes over in sending."""

    def write(self, chunks: list[bytes], size: int) -> None: ...
    def flush(self) -> None: ...
    def sent_short(self, count: int, code: int) -> None: ...
    def touch(self) -> None: ...


class Pump:
    """Moves bytes between one plain socket and a codec, as long as nothing out of the ordinary happens.

    `reading`: whether messages may be delivered. `sending`: whether messages may be queued here, that is, nothing
    waits elsewhere before them. `room`: how many bytes may wait here. `clocked`: whether Inbox and Outbox want to know
    of every transfer.
    """

    def __init__(
        self,
        sock: socket,
        decoder: Decoder,
        encoder: Encoder,
        memory: memoryview,
        protocol: FramedProtocol,
        as_list: bool,
        inbox: Inbox,
        outbox: Outbox,
        defer: Callable[[Callable[[], object]], object],
    ) -> None:
        self._sock = sock
        self._decoder = decoder
        self._encoder = encoder
        self._memory = memory
        self._inbox = inbox
        self._outbox = outbox
        self._defer = defer
        self._protocol = protocol
        self._as_list = as_list
        self._flush_due = False
        self._out = WriteBuffer()
        self.reading = self.sending = self.clocked = False
        self.room = self.bytes_received = self.bytes_sent = 0

    def receive(self) -> None:
        """Read once, and deliver what is whole."""
        decoder = self._decoder
        was_in_frame = decoder.in_frame
        if was_in_frame and decoder.buffered >= DIRECT_FROM:
            return self._inbox.read_ready()  # a large body goes straight into its place
        try:
            count = self._sock.recv_into(self._memory)
        except OSError as exc:
            return self._inbox.read_nothing(-1, exc.errno or errno.EIO)
        if count == 0:
            return self._inbox.read_nothing(0, 0)
        self.bytes_received += count
        if self.clocked:
            self._inbox.touch()
        try:
            decoder.push(bytes(self._memory[:count]))
            self._deliver()
        except BaseException as exc:
            self._inbox.delivery_raised(exc)
        else:
            if decoder.in_frame or was_in_frame or not self.reading or decoder.undecoded or decoder.error:
                self._inbox.after_delivery()
        return None

    def _deliver(self) -> None:
        """Decode and call back, until the protocol reads no more or this turn's messages are spent."""
        frames, protocol = islice(self._decoder, MESSAGES_PER_TURN), self._protocol
        if self._as_list:
            if batch := list(frames):
                protocol.messages_received(batch)
            return
        for frame in frames:
            if type(frame) is Piece:
                protocol.piece_received(frame)
            else:
                protocol.message_received(frame)
            if not self.reading:
                break

    def send(self, message: BytesLike, prefix: BytesLike = b"") -> None:
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        size = len(message) if type(message) is bytes else 0
        if size < JOIN_BELOW:  # or nobody knows: then it is copied, and so are its neighbours
            frame = self._encoder.encode(message, prefix)
            return self._queue([frame], len(frame))
        header = self._encoder.header(size, prefix)
        return self._queue([header, bytes(message)], len(header) + size)

    def send_many(self, messages: Iterable[BytesLike]) -> None:
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        parts = self._encoder.parts(messages)
        size = sum(map(len, parts))
        if 2 * size < JOIN_BELOW * len(parts):  # small bodies for the most part
            parts = [b"".join(parts)]
        self._queue(parts, size)

    def _queue(self, chunks: list[bytes], size: int) -> None:
        if self.sending and self._out.size and self._out.size + size > self.room >= size:
            self._leave()  # at once, so that this may wait here
        if not self.sending or self._out.size + size > self.room:
            return self._outbox.write(chunks, size)
        self._out.extend(chunks, size)
        if not self._flush_due:
            self._flush_due = True
            self._defer(self)
        return None

    def __call__(self) -> None:
        """Send what this turn has queued, at once if the socket takes it all. What is deferred is the pump itself."""
        self._flush_due = False
        if not self._out.size:
            return
        if self.sending:
            self._leave()
        else:
            self._outbox.flush()

    def _leave(self) -> None:
        """Send what waits, once; whatever the socket doesn't take is the outbox's."""
        chunks = self._out.next_chunks()
        try:
            count = self._sock.send(chunks[0]) if len(chunks) == 1 else self._sock.sendmsg(chunks)
        except OSError as exc:
            return self._outbox.sent_short(-1, exc.errno or errno.EIO)
        if count != self._out.size:
            return self._outbox.sent_short(count, 0)
        self.bytes_sent += count
        self._out.clear()
        if self.clocked:
            self._outbox.touch()
        return None

    @property
    def waiting(self) -> int:
        """Bytes that wait here to be sent."""
        return self._out.size

    def take_out(self) -> list[bytes]:
        """Hand over what waits here, for a queue that can wait longer."""
        return self._out.take()
