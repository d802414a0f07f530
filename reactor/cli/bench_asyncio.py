"""asyncio's side of bench, as people tune it by hand. Law: every message is an object of its own, and none is too long.

The bytes are parsed where they lie, the answers of a read leave together, and a large message is read into its place.
An echo's header is the one that came: cutting it out is cheaper than making another.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..framing import Framing

_READ_SIZE = 64 * 1024  # for asyncio's 256 KiB glibc maps and unmaps pages at each read: up to 5 times the CPU
_LARGE = 64 * 1024  # an unfinished message of this size is read into its place: a third of the CPU with uvloop
_SPARES = 16
_VECTOR_FROM = 4 * 1024  # bytes of an answer: larger ones are cheaper as a vector than joined
_LAST_SHIFT = 63  # of a varint's tenth byte: no length needs more

Parsed = tuple[list[bytes], int, int, int]  # answers; of the unfinished frame: begin, begin of its body, missing bytes

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
    """Echoes frames."""

    def __init__(self, framing: Framing) -> None:
        self._limit = framing.max_frame_length
        self._tail = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if hasattr(transport, "max_size"):  # asyncio's own, not uvloop's
            transport.max_size = _READ_SIZE

    def data_received(self, data: bytes) -> None:
        if self._tail:
            data, self._tail = self._tail + data, b""
        try:
            answers, pos, body, missing = self._parse(data)
        except ValueError:
            self.transport.abort()
            return
        if answers:
            self._answer(answers, pos)
        if len(data) - body + missing > _LARGE:
            self.go_on_as(Rest(self, data[pos:body], data[body:], missing))
        else:
            self._tail = data[pos:]

    def _answer(self, answers: list[bytes], size: int) -> None:
        if size < _VECTOR_FROM * len(answers):
            self.transport.write(b"".join(answers))
        else:
            self.transport.writelines(answers)

    def _parse(self, data: bytes) -> Parsed:
        """Answer every whole frame. Raises ValueError for a length that may not be."""
        raise NotImplementedError


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


class TunedFixed(Tuned):
    """The length has a fixed width."""

    def __init__(self, framing: Framing) -> None:
        super().__init__(framing)
        self._width = framing.length_field_length
        self._byteorder = framing.byteorder

    def _parse(self, data: bytes) -> Parsed:
        answers: list[bytes] = []
        add, from_bytes = answers.append, int.from_bytes
        pos, size, width, byteorder, limit = 0, len(data), self._width, self._byteorder, self._limit
        while (start := pos + width) <= size:
            header = data[pos:start]
            length = from_bytes(header, byteorder)  # with a slice that is made anyway, as fast as struct
            if length > limit:
                raise ValueError
            end = start + length
            if end > size:
                return answers, pos, start, end - size
            add(header)
            add(data[start:end])
            pos = end
        return answers, pos, pos, 0


class TunedVarint(Tuned):
    """The length is a varint."""

    def _parse(self, data: bytes) -> Parsed:
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
    return TunedVarint(framing) if framing.max_varint_bytes else TunedFixed(framing)
