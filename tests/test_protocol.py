"""Protocols: asyncio's words, and messages on top."""

import inspect
from types import ModuleType
from typing import Any

import pytest
from helpers import FrameRecorder

from reactor import Connection, FramedProtocol, FrameTooLarge, Framing, Protocol, Transport


class Notes:
    """A transport that writes down what it is given, and stops reading after some messages."""

    def __init__(self, reading_for: int = 1000) -> None:
        self.written: list[bytes] = []
        self.reading_for = reading_for
        self.kept: list[bytes] = []
        self.protocol: Any = None

    def keep(self, messages: list[bytes]) -> None:
        self.kept += messages

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_reading(self) -> bool:
        self.reading_for -= 1
        return self.reading_for > 0

    def is_closing(self) -> bool:
        return False

    def get_protocol(self) -> Any:
        return self.protocol


def test_bytes_are_not_for_a_framed_protocol() -> None:
    with pytest.raises(RuntimeError, match="initial="):
        FrameRecorder().data_received(b"what was read too far")


def test_every_callback_of_a_protocol_may_be_left_out() -> None:
    protocol = Protocol()
    protocol.connection_made(None)  # type: ignore[arg-type]
    protocol.data_received(b"x")
    assert not protocol.eof_received()
    protocol.pause_writing()
    protocol.resume_writing()
    protocol.connection_lost(None)


def test_a_protocol_has_the_callbacks_of_asyncio() -> None:
    import asyncio

    names = {name for name in dir(asyncio.Protocol) if not name.startswith("_")}
    assert names <= set(dir(Protocol))


def test_send_writes_one_frame(twin: ModuleType) -> None:
    protocol = FramedProtocol()
    protocol.transport = notes = Notes()  # type: ignore[assignment]
    protocol.send(b"hello")
    protocol.send_many([b"a", b""])
    assert notes.written == [b"\0\0\0\5hello", b"\0\0\0\1a\0\0\0\0"]


def test_send_takes_the_bytes_in_front_of_the_length(twin: ModuleType) -> None:
    protocol = FramedProtocol()
    protocol.framing = Framing(2, length_field_offset=2)
    protocol.transport = notes = Notes()  # type: ignore[assignment]
    protocol.send(b"hi", prefix=b"\xca\xfe")
    assert notes.written == [b"\xca\xfe\0\2hi"]
    with pytest.raises(ValueError, match="prefix has 1 bytes, length_field_offset is 2"):
        protocol.send(b"hi", prefix=b"\0")


def test_a_message_that_is_too_large_is_not_sent(twin: ModuleType) -> None:
    protocol = FramedProtocol()
    protocol.framing = Framing(max_frame_length=4)
    protocol.transport = notes = Notes()  # type: ignore[assignment]
    with pytest.raises(FrameTooLarge, match="max_frame_length is 4"):
        protocol.send(b"12345")
    with pytest.raises(FrameTooLarge):
        protocol.send_many([b"1234", b"12345"])
    assert notes.written == []


def test_a_list_that_stops_keeps_its_rest() -> None:
    protocol = FrameRecorder()
    protocol.transport = notes = Notes(reading_for=2)  # type: ignore[assignment]
    notes.protocol = protocol
    protocol.messages_received([b"a", b"b", b"c", b"d"])
    assert (protocol.messages, notes.kept) == ([b"a", b"b"], [b"c", b"d"])


def test_an_iterator_that_stops_keeps_its_own_rest() -> None:
    protocol = FrameRecorder()
    protocol.transport = notes = Notes(reading_for=2)  # type: ignore[assignment]
    notes.protocol = protocol
    messages: Any = iter([b"a", b"b", b"c", b"d"])
    protocol.messages_received(messages)
    assert (protocol.messages, notes.kept, list(messages)) == ([b"a", b"b"], [], [b"c", b"d"])


@pytest.mark.parametrize("name", [name for name in vars(Transport) if not name.startswith("_")])
def test_what_a_protocol_sees_of_its_transport_is_what_a_connection_takes(name: str) -> None:
    seen, taken = (inspect.signature(getattr(kind, name)) for kind in (Transport, Connection))
    assert seen == taken


@pytest.mark.parametrize("name", ["hold", "start_tls", "set_protocol", "close"])
def test_a_type_checker_knows_what_the_readme_calls(name: str) -> None:
    assert callable(getattr(Transport, name))
