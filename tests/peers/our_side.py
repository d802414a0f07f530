"""Our side of a conversation with a peer: two ways to echo, and a client that remembers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reactor import FramedProtocol, Framing


class Echo(FramedProtocol):
    """Sends each message back as it comes, and reads no faster than the peer does."""

    def __init__(self, width: int) -> None:
        self.framing = Framing(width)  # made here, in the test, so that it uses the test's twin
        self.ended = False
        self.lost: BaseException | None = None

    def message_received(self, message: bytes) -> None:
        self.send(message)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended = True
        self.lost = exc


class BatchEcho(Echo):
    """Sends all messages of a read back in one write."""

    def messages_received(self, messages: Iterable[bytes]) -> None:
        self.send_many(messages)


class Talker(FramedProtocol):
    """Says all it has to say, no faster than the peer listens; ends its side when as many messages came back."""

    def __init__(self, width: int, said: Sequence[bytes]) -> None:
        self.framing = Framing(width)
        self.came: list[bytes] = []
        self.ended = False
        self.lost: BaseException | None = None
        self._count = len(said)
        self._unsaid: Iterator[bytes] = iter(said)
        self._paused = False

    def connection_made(self, transport: Any) -> None:
        self._go_on()

    def _go_on(self) -> None:
        while not self._paused and (message := next(self._unsaid, None)) is not None:
            self.send(message)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._go_on()

    def message_received(self, message: bytes) -> None:
        self.came.append(message)
        if len(self.came) == self._count:
            self.transport.write_eof()  # not close(): what the peer might still send would go unseen

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended = True
        self.lost = exc
