"""What users subclass. Law: the words and their order are asyncio's, so a protocol knows no loop and no socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Protocol as Interface

from .framing import BytesLike, Decoder, Framing, Piece


class Transport(Interface):
    """What a protocol may ask of its transport: asyncio's `Transport`, with a bounded `close()`."""

    def write(self, data: BytesLike) -> None: ...
    def writelines(self, chunks: Iterable[BytesLike]) -> None: ...
    def write_eof(self) -> None: ...
    def can_write_eof(self) -> bool: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_reading(self) -> bool: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_limits(self) -> tuple[int, int]: ...
    def get_write_buffer_size(self) -> int: ...
    def set_protocol(self, protocol: Any) -> None: ...
    def get_protocol(self) -> Any: ...


class Protocol:
    """Bytes as they come. `connection_made` first, `connection_lost` last, each once; in between the others."""

    transport: Transport

    def connection_made(self, transport: Transport) -> None:
        """The connection stands; `self.transport` is set already, so overriding needs no `super()`."""

    def data_received(self, data: bytes) -> None:
        """Some bytes came; how the stream is cut means nothing."""

    def eof_received(self) -> bool | None:
        """The peer ended its side. Return True to go on writing; else what is queued is sent and that is the end."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end. None after a local `close()` or `abort()` and after a clean EOF, else the first cause."""

    def pause_writing(self) -> None:
        """More than `high_water` bytes wait for the peer. The one callback that comes from inside `write()`."""

    def resume_writing(self) -> None:
        """At most `low_water` bytes wait for the peer again."""


class FramedProtocol(Protocol):
    """Messages as `framing` cuts them. `decoder` is the one of this connection, from its first byte on.

    To go on with another framing, give the transport the next protocol: `set_protocol()` hands it every byte behind
    the message that is being received.
    """

    framing = Framing()
    decoder: Decoder
    _held: list[bytes] | None = None  # messages of a batch that stopped

    def message_received(self, message: bytes) -> None:
        """One message came whole."""

    def piece_received(self, piece: Piece) -> None:
        """A piece of an oversized message came, under `oversize="stream"`; the last one has `last` set."""

    def messages_received(self, messages: Iterable[bytes]) -> None:
        """All messages of one read came. Override it to take them at once; you are then given a list.

        This one calls `message_received` for each, and stops when the connection closes or pauses: what is left comes
        after `resume_reading()`.
        """
        transport = self.transport
        rest = iter(messages)
        for message in rest:
            if type(message) is Piece:
                self.piece_received(message)
            else:
                self.message_received(message)
            if not transport.is_reading():
                break
        else:
            return
        if rest is not messages:  # an iterator keeps its own rest; a list would lose it
            self._held = list(rest)

    def send(self, message: BytesLike, prefix: BytesLike = b"") -> None:
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        self.transport.write(self.framing.encode(message, prefix))

    def send_many(self, messages: Iterable[BytesLike]) -> None:
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        self.transport.write(self.framing.encode_many(messages))
