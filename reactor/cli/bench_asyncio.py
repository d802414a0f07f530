"""asyncio's protocols as people tune them by hand. Law: every message is an object of its own, and none is too long.

The bytes are parsed where they lie, the answers of a read leave together, and a large message is read into its place.
A read that is one whole small message, as most are in a talk, goes past the loop. An echo's header is the one that
came: cutting it out is cheaper than making another. bench/README.md has the figures of each part.

bench/ races these very protocols, in processes that import nothing else of this package: it needs nothing else.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..framing import Framing

READ_SIZE = 64 * 1024  # for asyncio's 256 KiB glibc maps and unmaps pages at each read: up to 5 times the CPU
_LARGE = 64 * 1024  # an unfinished message of this size is read into its place: a third of the CPU with uvloop
_SPARES = 16
_VECTOR_FROM = 4 * 1024  # bytes of an answer: larger ones are cheaper as a vector than joined
_LAST_SHIFT = 63  # of a varint's tenth byte: no length needs more
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}  # of the widths that struct reads

Parsed = tuple[list[bytes], int, int, int]  # answers; of the unfinished frame: begin, begin of its body, missing bytes
Unpack = Callable[..., tuple[int, ...]]  # of bytes and a position

_spares: list[bytearray] = []  # a bytearray is filled with zeros when it is made, so a few are kept


class Paced(asyncio.BaseProtocol):
    """Reads no faster than it is read from."""

    transport: Any

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def go_on_as(self, protocol: asyncio.BaseProtocol) -> None:
        """Change protocols; uvloop looks which kind it has when reading begins."""
        is_reading = self.transport.is_reading()
        self.transport.pause_reading()
        self.transport.set_protocol(protocol)
        if is_reading:
            self.transport.resume_reading()


class Tuned(Paced, asyncio.Protocol):
    """Echoes frames. A subclass parses them, and looks at the smallest reads itself."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tail = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if hasattr(transport, "max_size"):  # asyncio's own, not uvloop's
            transport.max_size = READ_SIZE

    def go_on(self, data: bytes) -> None:
        """Answer what is whole, and remember the rest."""
        try:
            answers, pos, body, missing = self.parse(data)
        except ValueError:
            self.abort()
            return
        if answers:
            self.answer(answers, pos)
        if pos == len(data):
            return
        if len(data) - body + missing > _LARGE:
            self.keep_large(data[pos:body], data[body:], missing)
        else:
            self._tail = data[pos:]

    def parse(self, data: bytes) -> Parsed:
        """Return the answers to all whole frames. Raises ValueError for a length that may not be."""
        raise NotImplementedError

    def abort(self) -> None:
        self.transport.abort()

    def answer(self, answers: list[bytes], size: int) -> None:
        if size < _VECTOR_FROM * len(answers):
            self.transport.write(b"".join(answers))
        else:
            self.transport.writelines(answers)

    def keep_large(self, header: bytes, begun: bytes, missing: int) -> None:
        self.go_on_as(Rest(self, header, begun, missing))


class Rest(Paced, asyncio.BufferedProtocol):
    """Reads the rest of one large message into its place, answers it, and gives the transport back."""

    def __init__(self, owner: Tuned, header: bytes, begun: bytes, missing: int) -> None:
        self.transport = owner.transport
        self._owner = owner
        self._header = header
        self._length = len(begun) + missing
        self._whole = _spare(self._length)
        self._whole[: len(begun)] = begun
        self._room = memoryview(self._whole)[len(begun) : self._length]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._room = self._room[nbytes:]
        if not self._room:
            self._finish()

    def _finish(self) -> None:
        message = bytes(memoryview(self._whole)[: self._length])
        if len(_spares) < _SPARES:
            _spares.append(self._whole)
        self.go_on_as(self._owner)
        self.transport.write(self._header)
        self.transport.write(memoryview(message))  # up to 3.11, asyncio copies the unsent rest of bytes once more


def _spare(size: int) -> bytearray:
    spare = _spares.pop() if _spares else bytearray()
    return spare if len(spare) >= size else bytearray(size)


def _unpack(width: int, byteorder: Any) -> Unpack:
    """Return what reads a length of a fixed width."""
    if width in _CODES:
        return struct.Struct({"big": ">", "little": "<"}[byteorder] + _CODES[width]).unpack_from

    def unpack(data: bytes, pos: int = 0) -> tuple[int]:
        return (int.from_bytes(data[pos : pos + width], byteorder),)

    return unpack


class TunedFixed(Tuned):
    """The length has a fixed width."""

    def __init__(self, width: int, byteorder: str, limit: int) -> None:
        super().__init__(limit)
        self._numbers = width, width + limit, _unpack(width, byteorder)  # one attribute: each takes its time

    def data_received(self, data: bytes) -> None:
        if self._tail:
            data, self._tail = self._tail + data, b""
        width, largest, unpack = self._numbers
        size = len(data)
        if width <= size <= largest and unpack(data)[0] == size - width:
            message = data[width:]
            if size < _VECTOR_FROM:  # here and not in a function: its call would be a tenth of all this
                self.transport.write(data[:width] + message)
            else:
                self.answer([data[:width], message], size)
        else:
            self.go_on(data)

    def parse(self, data: bytes) -> Parsed:
        answers: list[bytes] = []
        width, _, unpack = self._numbers
        add, pos, size, limit = answers.append, 0, len(data), self._limit
        while (start := pos + width) <= size:
            (length,) = unpack(data, pos)
            if length > limit:
                raise ValueError
            end = start + length
            if end > size:
                return answers, pos, start, end - size
            add(data[pos:start])
            add(data[start:end])
            pos = end
        return answers, pos, pos, 0


class TunedVarint(Tuned):
    """The length is a varint."""

    def data_received(self, data: bytes) -> None:
        if self._tail:
            data, self._tail = self._tail + data, b""
        size = len(data)
        if size > 1:
            length, width = data[0], 1
            if length > 127:
                length, width = length & 127 | data[1] << 7, 2
            if length == size - width <= self._limit and data[width - 1] < 128:
                self.answer([data[:width], data[width:]], size)
                return
        self.go_on(data)

    def parse(self, data: bytes) -> Parsed:
        answers: list[bytes] = []
        add = answers.append
        pos, size, limit = 0, len(data), self._limit
        while pos < size:
            start, length, shift = pos, 0, 0
            try:
                while (byte := data[start]) > 127:  # not a function: its call would double what a length of two costs
                    length |= (byte & 127) << shift
                    start += 1
                    shift += 7
                    if shift > _LAST_SHIFT:
                        raise ValueError
            except IndexError:
                break
            length |= byte << shift
            start += 1
            if length > limit:
                raise ValueError
            end = start + length
            if end > size:
                return answers, pos, start, end - size
            add(data[pos:start])
            add(data[start:end])
            pos = end
        return answers, pos, pos, 0


def tuned(framing: Framing) -> Tuned:
    """Return the protocol for a framing."""
    if framing.max_varint_bytes:
        return TunedVarint(framing.max_frame_length)
    return TunedFixed(framing.length_field_length, framing.byteorder, framing.max_frame_length)
