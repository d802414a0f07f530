"""Small things that tests of several modules share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from reactor import EventLoop, FramedProtocol, Protocol

_PATIENCE = 20.0  # seconds until a condition that never comes fails the test


def run_until(loop: EventLoop, condition: Callable[[], Any]) -> None:
    """Make turns until the condition holds; fail if it doesn't in a long time."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{condition} never held"
        loop.run_once(0.05)


class Recorder(Protocol):
    """Writes down its callbacks in order, and everything it was sent."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.lost: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.calls.append("data")
        self.data += data

    def eof_received(self) -> bool | None:
        self.calls.append("eof")
        return None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("lost")
        self.lost = exc

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    @property
    def ended(self) -> bool:
        return "lost" in self.calls


class FrameRecorder(FramedProtocol):
    """Writes down its messages and its end."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.made = self.ended = False
        self.lost: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.made = True

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended = True
        self.lost = exc


class Echo(FrameRecorder):
    """Answers every message with itself. The `echo` fixture makes a class of it that knows its instances."""

    made_here: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self.made_here.append(self)

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        self.send(message)
