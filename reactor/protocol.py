"""What users subclass. Law: the words and their order are asyncio's, so a protocol knows no loop and no socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from typing import Protocol as Interface

from .errors import FramingError
from .framing import BytesLike, Decoder, Framing, Piece
from .late import ssl


class Hold:
    """While it is held, a drain waits for the connection: a request that a thread or a timer will answer.

    A context manager; or call `release()`.
    """

    __slots__ = ("_let_go",)

    def __init__(self, let_go: Callable[[], object]) -> None:
        self._let_go: Callable[[], object] | None = let_go

    def release(self) -> None:
        """Let go. Idempotent; loop thread only."""
        let_go, self._let_go = self._let_go, None
        if let_go is not None:
            try:
                let_go()
            except RuntimeError:  # another thread than the loop's: it is held on
                self._let_go = let_go
                raise

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Transport(Interface):
    """What a protocol may ask of its transport: asyncio's `Transport`, a bounded `close()`, a hold, a switch to TLS.

    `reactor.Connection` is the class, and its docstrings say what each does.
    """

    def write(self, data: BytesLike) -> None: ...
    def writelines(self, chunks: Iterable[BytesLike]) -> None: ...
    def write_eof(self) -> None: ...
    def can_write_eof(self) -> bool: ...
    def close(self, timeout: float | None = None) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_reading(self) -> bool: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_limits(self) -> tuple[int, int]: ...
    def get_write_buffer_size(self) -> int: ...
    def keep(self, messages: list[bytes]) -> None: ...
    def set_read_timeout(self, seconds: float | None) -> None: ...
    def set_protocol(self, protocol: Any, initial: BytesLike = b"") -> None: ...
    def get_protocol(self) -> Any: ...
    def hold(self) -> Hold: ...
    def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        initial: BytesLike | None = None,
        on_done: Callable[[], object] | None = None,
    ) -> None: ...


class DatagramTransport(Interface):
    """What a datagram protocol may ask of its transport: asyncio's `DatagramTransport`, and multicast.

    `reactor.DatagramEndpoint` is the class, and its docstrings say what each does.
    """

    def sendto(self, data: BytesLike, addr: Any = None) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def get_extra_info(self, name: str, default: Any = None) -> Any: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_limits(self) -> tuple[int, int]: ...
    def get_write_buffer_size(self) -> int: ...
    def set_protocol(self, protocol: Any) -> None: ...
    def get_protocol(self) -> Any: ...
    def join_group(self, group: str, interface: str | int | None = None, *, source: str | None = None) -> None: ...
    def leave_group(self, group: str, interface: str | int | None = None, *, source: str | None = None) -> None: ...
    def set_multicast(
        self, ttl: int | None = None, loop: bool | None = None, interface: str | int | None = None
    ) -> None: ...


class Protocol:
    """Bytes as they come. `connection_made` first, `connection_lost` last, each once; in between the others."""

    transport: Transport

    def connection_made(self, transport: Transport) -> None:
        """The connection stands; `self.transport` is set already, so overriding needs no `super()`."""

    def data_received(self, data: bytes) -> None:
        """Some bytes came; how the stream is cut means nothing."""

    def eof_received(self) -> bool | None:
        """The peer ended its side. Return True to go on writing; else what is queued is sent and that is the end."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The end. None after a local `close()` or `abort()` and after a clean EOF, else the first cause."""

    def pause_writing(self) -> None:
        """More than `high_water` bytes wait for the peer. The one callback that comes from inside `write()`."""

    def resume_writing(self) -> None:
        """At most `low_water` bytes wait for the peer again."""


class DatagramProtocol:
    """Datagrams, each whole, in any order, or not at all. `connection_made` comes first, `connection_lost` last."""

    transport: DatagramTransport

    def connection_made(self, transport: DatagramTransport) -> None:
        """Datagrams may come; `self.transport` is set already, so overriding needs no `super()`."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram came from `addr`, which `sendto()` takes for the answer."""

    def error_received(self, exc: Exception) -> None:
        """A datagram could not be sent, came cut, or was refused by its receiver. Nothing is closed for that."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end. None after a local `close()` or `abort()`, else the first cause."""

    def pause_writing(self) -> None:
        """More than `high_water` bytes wait to be sent. The one callback that comes from inside `sendto()`."""

    def resume_writing(self) -> None:
        """At most `low_water` bytes wait to be sent again."""


class WatchedFraming:
    """The framing of a class: an instance that is given another one tells its transport.

    `late`: it took the place of a plain value when instances may have had their own already.
    """

    def __init__(self, framing: Framing, late: bool = False) -> None:
        self._framing = framing
        self._late = late

    def __get__(self, protocol: Any, owner: type | None = None) -> Framing:
        default = self._framing
        if protocol is not None and self._late:
            default = vars(protocol).get("framing", default)
        return default if protocol is None else getattr(protocol, "_framing", default)

    def __set__(self, protocol: Any, framing: Framing) -> None:
        protocol._framing = framing
        assigned = getattr(getattr(protocol, "transport", None), "framing_assigned", None)
        if assigned is not None:
            assigned(protocol, framing)


class FramedProtocol(Protocol):
    """Messages as `framing` cuts them. `decoder` is the one of this connection, from its first byte on.

    Assigning `self.framing` holds for what is sent from then on, and for what comes behind the message being received.
    """

    framing: Any = WatchedFraming(Framing())
    decoder: Decoder

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _watch(cls, late=False)

    def message_received(self, message: bytes) -> None:
        """One message came whole."""

    def piece_received(self, piece: Piece) -> None:
        """A piece of an oversized message came, under `oversize="stream"`; the last one has `last` set."""

    def messages_received(self, messages: list[bytes]) -> None:
        """All messages of one read came. Override it to take them at once; `decoder.header` is the last one's then.

        This one calls `message_received` for each, and stops when the connection closes or pauses: what is left comes
        after `resume_reading()`. Behind a `set_protocol()` a pause is the next one's, and they stay this one's.
        """
        transport, rest = self.transport, iter(messages)
        try:
            for message in rest:
                if type(message) is Piece:
                    self.piece_received(message)
                else:
                    self.message_received(message)
                if not transport.is_reading() and (transport.is_closing() or transport.get_protocol() is self):
                    break
        finally:
            given: Iterable[bytes] = messages  # not overridden, this is given what decodes as it goes
            if rest is not given and (left := list(rest)) and transport.get_protocol() is self:
                transport.keep(left)  # an iterator keeps its own rest; a list would lose it

    def data_received(self, data: bytes) -> None:
        """Refuse bytes: nobody but the transport calls a protocol's callbacks."""
        raise RuntimeError(
            "a FramedProtocol takes messages: give what was read too far as set_protocol(…, initial=rest)"
        )

    def framing_failed(self, exc: FramingError) -> None:
        """The stream broke, or ended inside a frame. What is sent here leaves before `connection_lost(exc)`."""

    def send(self, message: BytesLike, prefix: BytesLike = b"") -> None:
        """Send one message; `prefix` is the `length_field_offset` bytes in front of its length field.

        Raises FrameTooLarge, and has then sent nothing.
        """
        self.transport.write(self.framing.encode(message, prefix))

    def send_many(self, messages: Iterable[BytesLike]) -> None:
        """Send messages, all or none: one that is too large raises FrameTooLarge."""
        self.transport.write(self.framing.encode_many(messages))


def watched_framing(protocol: FramedProtocol) -> Framing:
    """Return a protocol's framing, and see to it that its transport hears of another one."""
    for kind in type(protocol).__mro__:
        if "framing" in kind.__dict__:
            _watch(kind, late=True)
            break
    return protocol.framing  # type: ignore[no-any-return]


def _watch(holder: type, late: bool) -> None:
    """Watch the framing that a class has of its own; a property of the user's stays what it is."""
    found = vars(holder).get("framing")
    if isinstance(found, Framing):
        holder.framing = WatchedFraming(found, late)  # type: ignore[attr-defined]
