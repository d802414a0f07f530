"""Protocols that write down what they are told, and do what a test says while they are told it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactor import FramedProtocol, Framing, Piece, Protocol


def frame(body: bytes) -> bytes:
    """A message as the default framing has it, made without the library's help."""
    return len(body).to_bytes(4, "big") + body


def bodies(data: bytes) -> list[bytes]:
    """The messages in what a peer was given; an unfinished one stands at the end, in brackets."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        whole = len(data) >= 4 + size
        found.append(data[4 : 4 + size] if whole else b"[" + data + b"]")
        data = data[4 + size :]
    return found


class Told:
    """`calls` are the callbacks in order, `causes` what connection_lost was given. `acts`: what to do in which one.

    An act is called with the protocol, and with what the callback was given.
    """

    transport: Any

    def __init__(self, **acts: Callable[..., Any]) -> None:
        self.acts = acts
        self.calls: list[str] = []
        self.causes: list[BaseException | None] = []

    @property
    def made(self) -> bool:
        return "made" in self.calls

    @property
    def ended(self) -> bool:
        return bool(self.causes)

    @property
    def lost(self) -> BaseException | None:
        assert len(self.causes) == 1, f"connection_lost came {len(self.causes)} times"
        return self.causes[0]

    def connection_made(self, transport: Any) -> None:
        self.note("made")

    def eof_received(self) -> Any:
        return self.note("eof")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.causes.append(exc)
        self.note("lost", exc)

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def note(self, call: str, *args: Any) -> Any:
        self.calls.append(call)
        act = self.acts.get(call)
        return None if act is None else act(self, *args)


class Frames(Told, FramedProtocol):
    """A framed one; `messages` are those that came."""

    def __init__(self, framing: Framing | None = None, **acts: Callable[..., Any]) -> None:
        super().__init__(**acts)
        if framing is not None:
            self.framing = framing
        self.messages: list[bytes] = []
        self.failures: list[BaseException] = []

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)
        self.note("message", message)

    def piece_received(self, piece: Piece) -> None:
        self.note("piece", bytes(piece))

    def framing_failed(self, exc: BaseException) -> None:
        self.failures.append(exc)
        self.note("failed", exc)


class Batches(Frames):
    """A framed one that takes a read at once, and leaves the loop to what it overrides."""

    def messages_received(self, messages: Any) -> None:
        super().messages_received(messages)


class Bytes(Told, Protocol):
    """One that takes bytes as they come."""

    def __init__(self, **acts: Callable[..., Any]) -> None:
        super().__init__(**acts)
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.note("data", data)


class Buffered(Told):
    """One that lends its own memory, as asyncio.BufferedProtocol has it."""

    def __init__(self, size: int = 8, **acts: Callable[..., Any]) -> None:
        super().__init__(**acts)
        self.size = size
        self.data = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        super().connection_made(transport)

    def get_buffer(self, hint: int) -> bytearray:
        self.note("buffer")
        self.room = bytearray(self.size)
        return self.room

    def buffer_updated(self, count: int) -> None:
        self.data += self.room[:count]
        self.note("data", bytes(self.room[:count]))


def echo(ours: Any, message: bytes) -> None:
    """An act: answer a message with itself."""
    ours.send(message)


class Once:
    """An act that raises the first time, and does nothing later."""

    def __init__(self, exc: BaseException) -> None:
        self._exc: BaseException | None = exc

    def __call__(self, *_: Any) -> None:
        exc, self._exc = self._exc, None
        if exc is not None:
            raise exc
