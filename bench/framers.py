"""Every way to cut a stream into frames that the bench compares, as a function from a chunk to its frames."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from functools import partial

import msgpack
from floors import codec_floor
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver

from reactor import Framing
from reactor.framing import _codec_c, _codec_py

Decode = Callable[[bytes], list[bytes]]
Unpack = Callable[[bytes, int], tuple[int, ...]]

UNPACK: Unpack = struct.Struct(">I").unpack_from

FRAMING = Framing()
LIMIT = FRAMING.max_frame_length


class StructLoop:
    """The best that a user writes by hand: bytes parsed where they lie, one slice a frame, a limit."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes, unpack: Unpack = UNPACK) -> list[bytes]:
        if self._tail:
            data = self._tail + data
        frames: list[bytes] = []
        add, limit = frames.append, LIMIT
        pos, body, size = 0, 4, len(data)
        while body <= size:
            (length,) = unpack(data, pos)
            if length > limit:
                raise ValueError("frame too large")
            end = body + length
            if end > size:
                break
            add(data[body:end])
            pos, body = end, end + 4
        self._tail = data[pos:]
        return frames


class BytearrayLoop:
    """What people write: a bytearray, `struct`, a copy out of it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        buffer = self._buffer
        buffer += data
        frames, pos, size = [], 0, len(buffer)
        while size - pos >= 4:
            (length,) = struct.unpack_from(">I", buffer, pos)
            if length > LIMIT:
                raise ValueError("frame too large")
            end = pos + 4 + length
            if end > size:
                break
            frames.append(bytes(buffer[pos + 4 : end]))
            pos = end
        del buffer[:pos]
        return frames


class Receiver(Int32StringReceiver):
    """Twisted's, collecting."""

    MAX_LENGTH = LIMIT

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.makeConnection(StringTransport())

    def stringReceived(self, string: bytes) -> None:  # noqa: N802
        self.frames.append(string)

    def feed(self, data: bytes) -> list[bytes]:
        self.frames = []
        self.dataReceived(data)
        return self.frames


class Msgpack:
    """msgpack's unpacker on the same payloads: its own header in front of each."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(max_buffer_size=1 << 24)

    def feed(self, data: bytes) -> list[bytes]:
        self._unpacker.feed(data)
        return list(self._unpacker)


def decoders() -> dict[str, Decode]:
    """Return every decoder by name, the floor first."""
    return {
        "floor": codec_floor().decode,
        "reactor compiled": _codec_c.Decoder(FRAMING).feed,
        "reactor pure": _codec_py.Decoder(FRAMING).feed,
        "struct loop, tuned": StructLoop().feed,
        "struct loop, plain": BytearrayLoop().feed,
        "msgpack": Msgpack().feed,
        "Twisted": Receiver().feed,
    }


def chunk_for(name: str, bodies: list[bytes]) -> bytes:
    """Return what a decoder is fed: all bodies in one read."""
    if name == "msgpack":
        return b"".join(msgpack.packb(body) for body in bodies)
    return FRAMING.encode_many(bodies)


class SplitLines:
    """What people write for lines: split, and keep the tail. Nothing is checked, and a line may be of any length."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        *frames, self._tail = (self._tail + data).split(b"\n")
        return frames


class ReadUntil:
    """asyncio's streams: one `readuntil()` a line, all of them there already, so no loop is needed."""

    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        loop.close()
        self._reader = asyncio.StreamReader(1 << 20, loop=loop)

    def feed(self, data: bytes) -> list[bytes]:
        self._reader.feed_data(data)
        reading = self._read(data.count(b"\n"))
        try:
            reading.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        raise AssertionError("it waits for more")

    async def _read(self, count: int) -> list[bytes]:
        return [await self._reader.readuntil(b"\n") for _ in range(count)]


def line_decoders() -> dict[str, Decode]:
    """Return what finds newlines, by name, the floor first."""
    return {
        "floor": codec_floor().decode_lines,
        "reactor compiled": _codec_c.Decoder(Framing.delimited()).feed,
        "reactor pure": _codec_py.Decoder(Framing.delimited()).feed,
        "bytes.split": SplitLines().feed,
        "asyncio readuntil": ReadUntil().feed,
    }


def fixed_decoders(size: int) -> dict[str, Decode]:
    """Return what cuts frames of one size, by name, the floor first."""
    return {
        "floor": partial(codec_floor().decode_fixed, length=size),
        "reactor compiled": _codec_c.Decoder(Framing.fixed(size)).feed,
        "reactor pure": _codec_py.Decoder(Framing.fixed(size)).feed,
    }
