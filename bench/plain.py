"""asyncio's protocol as people write it, for asyncio and uvloop."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

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
