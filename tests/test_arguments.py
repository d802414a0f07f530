"""What the doors are given, judged by name before a socket is made or taken."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, open_descriptors, run_until

from reactor import Backoff, Limits, Protocol, Reactor
from reactor.arguments import path_of
from reactor.handlers import check_protocol

LOCAL = "127.0.0.1"


async def never_awaited(*_: object) -> None:
    """Be called, and not run."""


EVERYWHERE: list[dict[str, Any]] = [
    {"factory": None},
    {"factory": Protocol()},
    {"factory": never_awaited},
    {"limits": {}},
    {"tls": True},
]
LISTENING: list[dict[str, Any]] = [*EVERYWHERE, {"backlog": "5"}, {"backlog": -1}, {"backlog": 1 << 31}]
CONNECTING: list[dict[str, Any]] = [
    *EVERYWHERE,
    {"on_failure": "print"},
    {"on_failure": never_awaited},
    {"retry": 5},
    {"reconnect": 5},
    {"server_hostname": b"x"},
    {"sock": 5},
]


def refused(call: Callable[..., object], wrong: dict[str, Any], **right: Any) -> None:
    """Have a door called with one wrong argument, which it must name, leaving nothing behind."""
    (name,) = wrong
    before = open_descriptors()
    with pytest.raises((TypeError, ValueError), match=f"{name} is"):
        call(**{**right, **wrong})
    assert open_descriptors() == before


@pytest.mark.parametrize("wrong", [*LISTENING, {"host": 5}, {"host": b"::1"}, {"port": "9000"}, {"port": 70_000}])
def test_listen_tcp_names_what_is_wrong(net: Reactor, wrong: dict[str, Any]) -> None:
    refused(net.listen_tcp, wrong, factory=Protocol, host=LOCAL, port=0)
    assert net.stats()["servers"] == 0


@pytest.mark.parametrize("wrong", [*LISTENING, {"path": 5}, {"path": None}])
def test_listen_unix_names_what_is_wrong(net: Reactor, tmp_path: Path, wrong: dict[str, Any]) -> None:
    refused(net.listen_unix, wrong, factory=Protocol, path=tmp_path / "sock")
    assert list(tmp_path.iterdir()) == []


LOCAL_ADDRS: list[dict[str, Any]] = [
    {"local_addr": wrong}
    for wrong in (
        "127.0.0.1",
        ("127.0.0.1",),
        (LOCAL, "0"),
        (LOCAL, -1),
        (LOCAL, 70_000),
        ("localhost", 0),
        (None, 0),
        0,
    )
]


@pytest.mark.parametrize("wrong", [*CONNECTING, *LOCAL_ADDRS, {"host": None}, {"port": "9000"}, {"port": -1}])
def test_connect_tcp_names_what_is_wrong(net: Reactor, wrong: dict[str, Any]) -> None:
    refused(net.connect_tcp, wrong, factory=Protocol, host=LOCAL, port=1)
    assert net.stats()["ready"] == 0


@pytest.mark.parametrize("wrong", [*CONNECTING, {"path": 5}, {"path": None}])
def test_connect_unix_names_what_is_wrong(net: Reactor, wrong: dict[str, Any]) -> None:
    refused(net.connect_unix, wrong, factory=Protocol, path="sock")
    assert net.stats()["ready"] == 0


@pytest.mark.parametrize(
    "wrong", [{"grace": -1}, {"grace": None}, {"grace": float("nan")}, {"on_done": 5}, {"on_done": never_awaited}]
)
def test_a_drain_names_what_is_wrong_before_anything_ends(net: Reactor, wrong: dict[str, Any]) -> None:
    server = net.listen_tcp(Protocol, LOCAL, 0)
    refused(server.drain, wrong, grace=5)
    refused(net.drain, wrong, grace=5)
    assert net.stats()["servers"] == 1


@pytest.mark.parametrize("door", ["listen_tcp", "connect_tcp"])
def test_an_ssl_socket_is_refused_and_tls_named(net: Reactor, door: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with (
        context.wrap_socket(socket.socket(), do_handshake_on_connect=False) as sock,
        pytest.raises(TypeError, match="tls="),
    ):
        getattr(net, door)(Protocol, LOCAL, 0, sock=sock)


def test_host_and_port_are_for_who_gives_no_socket(net: Reactor) -> None:
    one, other = socket.socketpair()
    with other:
        net.connect_tcp(Protocol, None, None, sock=one).close()  # type: ignore[arg-type]
    sock = socket.create_server((LOCAL, 0))
    net.listen_tcp(Protocol, None, None, sock=sock)  # type: ignore[arg-type]


@pytest.mark.parametrize("made", ["path", b"path", Path("path")])
def test_a_path_may_be_anything_that_is_one(made: Any) -> None:
    assert path_of(made) == "path"


# --- what a factory returns


class NoProtocol:
    def handle(self) -> None:
        """Not one of the words."""


@pytest.mark.parametrize("product", [None, 5, NoProtocol(), FrameRecorder])
def test_a_product_that_is_no_protocol_names_its_factory(product: object) -> None:
    def the_factory() -> object:
        return product

    with pytest.raises(TypeError, match="the_factory"):
        check_protocol(product, "the factory %r returned", the_factory)


@pytest.mark.parametrize("word", ["connection_made", "data_received", "buffer_updated", "connection_lost"])
def test_any_word_of_a_protocol_makes_one(word: str) -> None:
    check_protocol(type("Any", (), {word: lambda *args: None})(), "the factory %r returned", Protocol)


def test_a_servers_factory_that_returns_none_is_reported_once_and_leaves_nothing(net: Reactor) -> None:
    reports: list[Any] = []
    net.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = net.listen_tcp(lambda: None, LOCAL, 0, limits=Limits(max_connections=1, max_per_peer=1))
    for count in (1, 2):
        with socket.create_connection(server.addresses[0], timeout=20) as peer:
            run_until(net, lambda count=count: len(reports) == count)
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
    assert [type(each) for each in reports] == [TypeError, TypeError]
    assert (server.connections, server.refused, net.stats()["connections"]) == (0, 0, 0)


def test_a_clients_factory_that_returns_none_is_reported_and_told_once(net: Reactor, echo: type[Echo]) -> None:
    reports: list[Any] = []
    failures: list[BaseException] = []
    net.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(lambda: None, *server.addresses[0], on_failure=failures.append, retry=Backoff(initial=0.001))
    run_until(net, lambda: failures and not net.stats()["connections"])
    assert [type(each) for each in reports] == [TypeError]
    assert failures == reports
    assert len(echo.made_here) == 1, "trying again mends no program"
