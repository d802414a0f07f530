"""Delivery: how received bytes reach one kind of protocol. Law: what it doesn't take now is kept, byte for byte.

A delivery stops as soon as its transport isn't reading any more (closed, paused, or gone on to another protocol), and
after the messages that one turn allows. `left` then tells how much waits.
"""

from __future__ import annotations

from itertools import islice
from socket import socket
from typing import Any

from ..errors import FramingError
from ..protocol import FramedProtocol, Transport
from ._pump import Pump, pump_for
from .buffers import DIRECT_FROM, MESSAGES_PER_TURN, READ_SIZE

_LENT = ("send", "send_many")  # what a protocol is lent while a pump does its sending


class Delivery:
    """Hands bytes to one protocol; as it stands, to one that keeps nothing back."""

    __slots__ = ()

    def put(self, data: memoryview) -> None:
        """Deliver bytes that came; only when nothing is left of earlier ones. Calls the user's code."""
        raise NotImplementedError

    def resume(self) -> None:
        """Go on with what was left. Calls the user's code."""

    def take_rest(self) -> bytes:
        """Hand over what the protocol was not given, and end."""
        return b""

    def end(self) -> None:
        """Leave the protocol as it was."""

    def own_buffer(self) -> memoryview | None:
        """Return where the next bytes should be read to, if that isn't the common buffer; then call `filled`."""
        return None

    def filled(self, count: int) -> None:
        """Deliver `count` bytes that were read into `own_buffer()`. Calls the user's code."""

    def eof(self) -> None:
        """Note the end of the stream. Raises FrameTruncated inside a frame."""

    @property
    def error(self) -> FramingError | None:
        """What broke the stream, once everything before it is delivered."""
        return None

    @property
    def left(self) -> int:
        """Bytes or messages that wait for `resume()`."""
        return 0

    @property
    def held_bytes(self) -> int:
        """Bytes on the wire of messages that are decoded and not delivered."""
        return 0

    @property
    def in_frame(self) -> bool:
        """Whether an unfinished frame has begun."""
        return False

    @property
    def frame_offset(self) -> int:
        """Where in the stream the unfinished frame begins; of one that is streamed or discarded, what is next of it."""
        return 0


class ByteDelivery(Delivery):
    """To `data_received(bytes)`: each read as it comes."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def put(self, data: memoryview) -> None:
        self._protocol.data_received(bytes(data))


class BufferDelivery(Delivery):
    """To asyncio's BufferedProtocol: `get_buffer(sizehint)`, `buffer_updated(nbytes)`."""

    __slots__ = ("_protocol", "_rest", "_transport")

    def __init__(self, protocol: Any, transport: Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._rest = memoryview(b"")

    def put(self, data: memoryview) -> None:
        self._rest = data  # moved on before each call, so that whoever takes the rest inside it gets the right one
        while self._rest and self._transport.is_reading():
            buffer = memoryview(self._protocol.get_buffer(len(self._rest))).cast("B")
            count = min(len(buffer), len(self._rest))
            if self._rest and not count:
                raise RuntimeError("get_buffer() returned an empty buffer")
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            self._protocol.buffer_updated(count)
        self._rest = memoryview(bytes(self._rest))

    def resume(self) -> None:
        self.put(self._rest)

    def take_rest(self) -> bytes:
        rest, self._rest = bytes(self._rest), memoryview(b"")
        return rest

    @property
    def left(self) -> int:
        return len(self._rest)


class FrameDelivery(Delivery):
    """To `messages_received`, through a decoder. A protocol that has not overridden it decodes as it goes."""

    __slots__ = ("_as_list", "_decoder", "_protocol")

    def __init__(self, protocol: FramedProtocol) -> None:
        self._protocol = protocol
        self._decoder = protocol.decoder = protocol.framing.decoder()
        self._as_list = type(protocol).messages_received is not FramedProtocol.messages_received

    def pump(self, sock: socket, memory: memoryview, inbox: Any, outbox: Any, defer: Any) -> Pump:
        """Return what does the ordinary part of this on a plain socket; its `send` is lent to the protocol."""
        pump = pump_for(sock)(
            sock,
            self._decoder,
            self._protocol.framing._encoder,
            memory,
            self._protocol,
            self._as_list,
            inbox,
            outbox,
            defer,
        )
        for name in _LENT:
            if getattr(type(self._protocol), name) is getattr(FramedProtocol, name):
                setattr(self._protocol, name, getattr(pump, name))
        return pump

    def put(self, data: memoryview) -> None:
        self._decoder.push(data)
        self.resume()

    def resume(self) -> None:
        protocol = self._protocol
        held, protocol._held = protocol._held, None
        if held:
            FramedProtocol.messages_received(protocol, held)
            return
        batch = islice(self._decoder, MESSAGES_PER_TURN)
        if not self._as_list:
            protocol.messages_received(batch)
        elif messages := list(batch):
            protocol.messages_received(messages)

    def take_rest(self) -> bytes:
        self.end()
        return self._decoder.detach()

    def end(self) -> None:
        for name in _LENT:
            vars(self._protocol).pop(name, None)

    def own_buffer(self) -> memoryview | None:
        decoder = self._decoder
        if decoder.buffered < DIRECT_FROM or decoder.wanted < DIRECT_FROM:
            return None
        return decoder.get_buffer()[:READ_SIZE]

    def filled(self, count: int) -> None:
        messages = self._decoder.buffer_updated(count)
        if messages:
            self._protocol.messages_received(messages)

    def eof(self) -> None:
        self._decoder.feed_eof()

    @property
    def error(self) -> FramingError | None:
        return None if self._protocol._held else self._decoder.error

    @property
    def left(self) -> int:
        held = len(self._protocol._held or ())
        return held if self._decoder.error is not None else held + self._decoder.undecoded

    @property
    def held_bytes(self) -> int:
        return sum(map(self._protocol.framing.wire_length, self._protocol._held or ()))

    @property
    def in_frame(self) -> bool:
        return self._decoder.in_frame

    @property
    def frame_offset(self) -> int:
        return self._decoder.stream_offset


def delivery_to(protocol: Any, transport: Transport) -> Delivery:
    """Return the delivery for what kind of protocol this is."""
    if isinstance(protocol, FramedProtocol):
        return FrameDelivery(protocol)
    if hasattr(protocol, "buffer_updated"):
        return BufferDelivery(protocol, transport)
    return ByteDelivery(protocol)
