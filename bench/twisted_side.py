"""Twisted's Int32StringReceiver, and a protocol tuned as well as we could, within what `transport.write` does."""

from __future__ import annotations

import struct
from typing import Any

from asyncio_side import LIMIT, READ_SIZE, TunedFixed
from twisted.internet.protocol import Protocol
from twisted.protocols.basic import Int32StringReceiver


class Plain(Int32StringReceiver):
    MAX_LENGTH = LIMIT

    def stringReceived(self, string: bytes) -> None:  # noqa: N802
        self.sendString(string)


class Tuned(Protocol, TunedFixed):
    """asyncio's tuned parser; a large message is collected in a list, in larger reads and sends than Twisted's own."""

    transport: Any

    def __init__(self) -> None:
        super().__init__(4, "big", LIMIT)
        self.missing = 0
        self.parts: list[bytes] = []

    def connectionMade(self) -> None:  # noqa: N802
        if hasattr(self.transport, "setTcpNoDelay"):  # a Unix socket has none
            self.transport.setTcpNoDelay(True)
        self.transport.SEND_LIMIT = LIMIT

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.missing:
            data = self.collect(data)
        if data:
            self.data_received(data)

    def abort(self) -> None:
        self.transport.abortConnection()

    def answer(self, answers: list[bytes], size: int) -> None:
        self.transport.write(b"".join(answers))

    def keep_large(self, header: bytes, begun: bytes, missing: int) -> None:
        self.parts = [begun]
        self.missing = missing
        self.transport.bufferSize = 4 * READ_SIZE

    def collect(self, data: bytes) -> bytes:
        """Add to the large message; return what is behind it."""
        missing = self.missing
        self.parts.append(data[:missing])
        self.missing = max(0, missing - len(data))
        if not self.missing:
            message, self.parts = b"".join(self.parts), []
            self.transport.bufferSize = READ_SIZE
            self.transport.writeSequence([struct.pack(">I", len(message)), message])
        return data[missing:]


PROTOCOLS = {"plain": Plain, "tuned": Tuned}
