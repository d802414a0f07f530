"""Twisted's protocol, tuned as well as we could, within what `transport.write` does."""

from __future__ import annotations

from typing import Any

from tuned import LARGE, LIMIT, PACK, READ, UNPACK, Tuned
from twisted.internet.protocol import Protocol


class TunedTwisted(Protocol, Tuned):
    """asyncio's tuned parser; a large message is collected in a list, in larger reads and sends than Twisted's own."""

    transport: Any

    def connectionMade(self) -> None:  # noqa: N802
        self.transport.setTcpNoDelay(True)
        self.transport.SEND_LIMIT = LIMIT
        self.tail, self.missing = b"", 0
        self.parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.missing:
            data = self.collect(data)
        if data:
            self.data_received(data)

    def abort(self) -> None:
        self.transport.abortConnection()

    def answer(self, answers: list[bytes], size: int) -> None:
        self.transport.write(b"".join(answers))

    def keep(self, data: bytes, pos: int) -> None:
        if len(data) - pos > 4 and (length := UNPACK(data, pos)[0]) > LARGE:
            self.parts = [data[pos + 4 :]]
            self.missing = length - len(self.parts[0])
            self.transport.bufferSize = 4 * READ
        else:
            self.tail = data[pos:]

    def collect(self, data: bytes) -> bytes:
        """Add to the large message; return what is behind it."""
        missing = self.missing
        self.parts.append(data[:missing])
        self.missing = max(0, missing - len(data))
        if not self.missing:
            message, self.parts = b"".join(self.parts), []
            self.transport.bufferSize = READ
            self.transport.writeSequence([PACK(len(message)), message])
        return data[missing:]
