"""Our side of a conversation with a peer: two ways to echo, a client that remembers, a loop beside one that blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from helpers import run_until

from reactor import FramedProtocol, Framing, Reactor


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


def asked(net: Reactor, ask: Callable[[], Any]) -> Any:
    """Let a client that blocks ask on another thread, while the loop runs here; return or raise what it did."""
    outcome: list[Any] = []

    def act() -> None:
        try:
            outcome[:] = ask(), None
        except BaseException as exc:
            outcome[:] = None, exc

    thread = threading.Thread(target=act)
    thread.start()
    run_until(net, lambda: not thread.is_alive())
    answer, failure = outcome
    if failure is not None:
        raise failure
    return answer
