"""asyncio's and uvloop's protocol, tuned as well as we could.

Law: every message is an object of its own, and the limit is checked. Each part is here because it measured better, in
turns with its alternatives; README.md has the figures.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

LIMIT = 1 << 20
LARGE = 64 << 10  # an unfinished message of this size is collected, not parsed again
VECTOR = 4 << 10  # answers of this size are cheaper as a vector than joined
READ = 64 << 10
SPARES = 16

UNPACK = struct.Struct(">I").unpack_from
PACK = struct.Struct(">I").pack

_spares: list[bytearray] = []  # a bytearray is filled with zeros when it is made, so a few are kept


class Tuned(asyncio.Protocol):
    """Parses the received bytes in place, makes each message, and writes all answers of a read at once."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.tail = transport, b""

    def data_received(self, data: bytes, unpack: Any = UNPACK) -> None:
        if self.tail:
            data, self.tail = self.tail + data, b""
        if 4 <= len(data) < VECTOR and unpack(data)[0] == len(data) - 4:  # a whole message, as most are in a talk
            message = data[4:]
            self.transport.write(data[:4] + message)
        else:
            self.parse(data)

    def parse(self, data: bytes, unpack: Any = UNPACK) -> None:
        answers: list[bytes] = []
        pos, body, size = 0, 4, len(data)
        while body <= size:
            (length,) = unpack(data, pos)
            if length > LIMIT:
                return self.abort()
            end = body + length
            if end > size:
                break
            answers.append(data[pos:body])
            answers.append(data[body:end])
            pos, body = end, end + 4
        self.answer(answers, pos)
        if pos < size:
            self.keep(data, pos)
        return None

    def abort(self) -> None:
        self.transport.abort()

    def answer(self, answers: list[bytes], size: int) -> None:
        """Write all at once; large ones as they are, which is cheaper than joining them."""
        if size < VECTOR * len(answers):
            self.transport.write(b"".join(answers))
        elif answers:
            self.transport.writelines(answers)

    def keep(self, data: bytes, pos: int) -> None:
        """Remember an unfinished message; read the rest of a large one into its place."""
        if len(data) - pos > 4 and (length := UNPACK(data, pos)[0]) > LARGE:
            Rest(self, memoryview(data)[pos + 4 :], length)
        else:
            self.tail = data[pos:]


class TunedAsyncio(Tuned):
    """Reads at most 64 KiB at once.

    For asyncio's 256 KiB, glibc maps, shrinks and unmaps pages at each read: five times the CPU of a small echo.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.max_size = READ


class Rest(asyncio.BufferedProtocol):
    """Reads the rest of one large message into its place, then gives the transport back."""

    def __init__(self, owner: Tuned, begun: memoryview, length: int) -> None:
        self.owner, self.length = owner, length
        self.whole = _spares.pop() if _spares else bytearray(LIMIT)
        self.whole[: len(begun)] = begun
        self.room = memoryview(self.whole)[len(begun) : length]
        self.read_with(self)

    def read_with(self, protocol: Any) -> None:
        """Change protocols; uvloop looks which kind it has when reading begins."""
        transport = self.owner.transport
        transport.pause_reading()
        transport.set_protocol(protocol)
        transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.room

    def buffer_updated(self, nbytes: int) -> None:
        self.room = self.room[nbytes:]
        if not self.room:
            self.finish()

    def finish(self) -> None:
        message = bytes(memoryview(self.whole)[: self.length])
        if len(_spares) < SPARES:
            _spares.append(self.whole)
        self.read_with(self.owner)
        self.owner.transport.write(PACK(self.length))
        self.owner.transport.write(memoryview(message))  # up to 3.11, asyncio copies the unsent rest of bytes twice
