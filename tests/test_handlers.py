"""Mistakes in a protocol's class, named when it is given its first connection; and what only looks like one."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from typing import Any

import pytest
from helpers import Echo, run_until

from reactor import FramedProtocol, Protocol, Reactor
from reactor.handlers import check_handlers, check_protocol, good


def one_argument(self: Any, argument: Any) -> None:
    """Be a method that takes what most callbacks take."""


def no_argument(self: Any) -> None:
    """Be a method that takes nothing."""


async def never_awaited(self: Any, argument: Any) -> None:
    """Be called, and not run."""


async def never_iterated(self: Any, argument: Any) -> Any:
    yield argument


def never_resumed(self: Any, argument: Any) -> Any:
    yield argument


def kind_of(base: type, **methods: Any) -> type:
    return type("Mine", (base,), methods)


@pytest.mark.parametrize("mistake", [never_awaited, never_iterated])
@pytest.mark.parametrize(
    ("base", "word"),
    [
        (FramedProtocol, "message_received"),
        (FramedProtocol, "messages_received"),
        (FramedProtocol, "framing_failed"),
        (Protocol, "data_received"),
        (Protocol, "connection_made"),
        (asyncio.Protocol, "data_received"),
        (asyncio.BufferedProtocol, "buffer_updated"),
        (object, "data_received"),
    ],
)
def test_an_async_callback_is_named(base: type, word: str, mistake: Any) -> None:
    with pytest.raises(TypeError, match=rf"^Mine\.{word}\(\) is async, and nobody would await it"):
        check_handlers(kind_of(base, **{word: mistake}))


def test_a_callback_that_is_a_generator_is_named() -> None:
    with pytest.raises(TypeError, match=r"^Mine\.message_received\(\) has a yield"):
        check_handlers(kind_of(FramedProtocol, message_received=never_resumed))


@pytest.mark.parametrize(
    ("base", "name", "word"),
    [
        (FramedProtocol, "message_recieved", "message_received"),
        (FramedProtocol, "mesage_received", "message_received"),
        (FramedProtocol, "messageReceived", "message_received"),
        (FramedProtocol, "conection_made", "connection_made"),
        (Protocol, "data_recieved", "data_received"),
        (Protocol, "dataReceived", "data_received"),
        (asyncio.Protocol, "data_recived", "data_received"),
        (Protocol, "connecton_lost", "connection_lost"),
    ],
)
def test_a_callback_that_is_misspelt_is_named(base: type, name: str, word: str) -> None:
    with pytest.raises(TypeError, match=rf"^nobody calls Mine\.{name}\(\): is it meant to be {word}\(\)\?$"):
        check_handlers(kind_of(base, **{name: one_argument}))


def test_a_misspelt_callback_is_named_that_a_base_class_has() -> None:
    base = kind_of(Protocol, eof_recieved=no_argument)
    with pytest.raises(TypeError, match="is it meant to be eof_received"):
        check_handlers(kind_of(base))


def test_data_received_of_a_framed_protocol_is_named() -> None:
    with pytest.raises(TypeError, match=r"FramedProtocol, nobody calls its data_received\(\): .*message_received\(\)"):
        check_handlers(kind_of(FramedProtocol, data_received=one_argument))


class Forwards(FramedProtocol):
    """Names all that nobody else would call."""

    def message_received(self, message: bytes) -> None:
        self.data_received(message)
        getattr(self, "connecton_made")(message)  # noqa: B009

    def data_received(self, data: bytes) -> None:
        """Have a use of its own."""

    connecton_made = one_argument


class Asks(FramedProtocol):
    """Has its messages in a way of its own."""

    def messages_received(self, messages: Any) -> None:
        """Start what it likes for each."""

    message_received = never_awaited


@pytest.mark.parametrize(
    "kind",
    [
        Forwards,
        Asks,
        Echo,
        kind_of(FramedProtocol, data_received=one_argument, message_received=one_argument),
        Protocol,
        FramedProtocol,
        asyncio.Protocol,
        asyncio.BufferedProtocol,
        asyncio.SubprocessProtocol,
        kind_of(Protocol, message_received=never_awaited),
        kind_of(Protocol, messages_received=no_argument, packet_received=one_argument, line_received=one_argument),
        kind_of(Protocol, connections_made=no_argument, pause_reading=no_argument, resume_reading=no_argument),
        kind_of(Protocol, data_received=one_argument, data_recieved=one_argument),
        kind_of(Protocol, paused_writing=no_argument, set_buffer=one_argument, connection_closed=one_argument),
        kind_of(Protocol, data_receiver=one_argument, connections_lost=property(no_argument)),
        kind_of(FramedProtocol, message_receiver=one_argument, messages_received=one_argument),
        kind_of(FramedProtocol, message_sent=one_argument, frame_received=one_argument),
    ],
)
def test_what_only_looks_like_a_mistake_is_none(kind: type) -> None:
    check_handlers(kind)


def test_a_class_is_judged_once_and_forgotten_with_its_last_instance() -> None:
    kind = kind_of(FramedProtocol)
    check_protocol(kind(), "the factory %r returned", kind)
    known = weakref.ref(kind)
    assert known in good
    kind.message_received = never_awaited  # type: ignore[attr-defined]
    check_protocol(kind(), "the factory %r returned", kind)
    del kind
    gc.collect()
    assert known() is None
    assert all(each() is not None for each in good)


def test_an_instance_that_alone_has_the_methods_does_not_speak_for_its_class() -> None:
    class Bare:
        pass

    bare: Any = Bare()
    bare.data_received = print
    check_protocol(bare, "the factory %r returned", Bare)
    with pytest.raises(TypeError, match="no method of a protocol"):
        check_protocol(Bare(), "the factory %r returned", Bare)


def test_who_listens_with_such_a_class_is_told_and_its_peers_are_let_go(net: Reactor) -> None:
    reports: list[Any] = []
    net.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = net.listen_tcp(kind_of(FramedProtocol, message_received=never_awaited), "127.0.0.1", 0)
    with socket.create_connection(server.addresses[0], timeout=20) as peer:
        run_until(net, lambda: reports)
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    assert "is async" in str(reports[0])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (kind_of(FramedProtocol, data_received=one_argument)(), "data_received"),
        (None, r"^set_protocol\(\) was given None, which has no method of a protocol$"),
        (FramedProtocol, r"^set_protocol\(\) was given the class FramedProtocol, not an instance of it$"),
    ],
)
def test_set_protocol_names_it_and_changes_nothing(net: Reactor, echo: type[Echo], wrong: Any, text: str) -> None:
    server = net.listen_tcp(echo, "127.0.0.1", 0)
    with socket.create_connection(server.addresses[0], timeout=20) as peer:
        run_until(net, lambda: echo.made_here and echo.made_here[0].transport)
        (protocol,) = echo.made_here
        with pytest.raises(TypeError, match=text):
            protocol.transport.set_protocol(wrong)
        assert protocol.transport.get_protocol() is protocol
        peer.sendall(b"\0\0\0\2ok")
        run_until(net, lambda: protocol.messages)
        assert protocol.messages == [b"ok"]
