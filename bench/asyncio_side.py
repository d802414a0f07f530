"""asyncio's protocols, for asyncio, uvloop and aiofastnet: as people write them, tuned, for bytes, and for broadcasts.

The tuned one is that of `python -m reactor bench`: found by its folder, so that a peer doesn't carry our package.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

sys.path.append(str(Path(__file__).resolve().parent.parent / "reactor" / "cli"))

from bench_asyncio import READ_SIZE, TunedFixed

LIMIT = 1 << 20


class Plain(asyncio.Protocol):
    """A bytearray, struct, a write per message."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, bytearray()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 4:
            (length,) = struct.unpack_from(">I", self.buffer)
            if length > LIMIT:
                return self.transport.abort()
            if len(self.buffer) < 4 + length:
                return None
            message = bytes(self.buffer[4 : 4 + length])
            del self.buffer[: 4 + length]
            self.message_received(message)
        return None

    def message_received(self, message: bytes) -> None:
        self.transport.write(struct.pack(">I", len(message)) + message)


def tuned() -> TunedFixed:
    return TunedFixed(4, "big", LIMIT)


class Raw(asyncio.Protocol):
    """Sends back what came, in reads that suit the allocator, as the tuned one's."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if hasattr(transport, "max_size"):
            transport.max_size = READ_SIZE

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Broadcast(asyncio.Protocol):
    """Sends what came to all connections."""

    transports: ClassVar[list[Any]] = []  # of all connections

    def connection_made(self, transport: Any) -> None:
        self.transports.append(transport)

    def data_received(self, data: bytes) -> None:
        for transport in self.transports:
            transport.write(data)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back each message, with asyncio's streams as people use them."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            header = await reader.readexactly(4)
            writer.write(header + await reader.readexactly(int.from_bytes(header, "big")))
            await writer.drain()


def streams() -> asyncio.StreamReaderProtocol:
    loop = asyncio.get_running_loop()
    return asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), echo, loop=loop)


PROTOCOLS = {"streams": streams, "plain": Plain, "tuned": tuned, "raw": Raw, "broadcast": Broadcast}
