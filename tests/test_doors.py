"""Every door alike: what is wrong is named, what is given is owned from the call on, and what stands can be seen."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from helpers import is_open, open_descriptors, run_until

from reactor import Backoff, DatagramProtocol, Protocol, Reactor

LOCAL = "127.0.0.1"


class Door(NamedTuple):
    """A door, what it is called with, and what it takes as a `sock`."""

    name: str
    right: dict[str, Any]
    sock: Callable[[], socket.socket]
    other: Callable[[], socket.socket]  # a socket of the wrong kind
    kind: str
    takes_descriptor: bool
    wrong: list[dict[str, Any]]

    def call(self, net: Reactor, **arguments: Any) -> Any:
        return getattr(net, self.name)(**{**self.right, **arguments})

    def __str__(self) -> str:
        return self.name


def listening() -> socket.socket:
    return socket.create_server((LOCAL, 0))


def connected() -> socket.socket:
    with socket.create_server((LOCAL, 0)) as server:
        sock = socket.create_connection(server.getsockname())
        server.accept()[0].close()
        return sock


def unix_listening() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("")  # a name of the kernel's
    return sock


def unix_connected() -> socket.socket:
    one, other = socket.socketpair()
    other.close()
    return one


def datagrams() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LOCAL, 0))
    return sock


def no_certificate() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


TCP, UNIX = {"host": LOCAL, "port": 0}, {"path": "never made"}
STREAMS: dict[str, Any] = {"factory": Protocol}
PACKETS: dict[str, Any] = {"factory": DatagramProtocol}
EVERYWHERE: list[dict[str, Any]] = [{"factory": None}, {"limits": {}}]
SECURED = [*EVERYWHERE, {"tls": True}]
LISTENING = [*SECURED, {"backlog": "5"}]
DIALLING = [*SECURED, {"retry": 1}, {"reconnect": Backoff()}, {"on_failure": 5}, {"server_hostname": b"x"}]

DOORS = [
    Door("listen_tcp", {**STREAMS, **TCP}, listening, datagrams, "stream", True, LISTENING),
    Door("listen_unix", {**STREAMS, **UNIX}, unix_listening, datagrams, "stream", True, LISTENING),
    Door("connect_tcp", {**STREAMS, **TCP}, connected, datagrams, "stream", False, [*DIALLING, {"local_addr": 5}]),
    Door("connect_unix", {**STREAMS, **UNIX}, unix_connected, datagrams, "stream", False, DIALLING),
    Door("bind_udp", {**PACKETS, **TCP}, datagrams, listening, "datagram", True, [*EVERYWHERE, {"broadcast": "x"}]),
    Door("connect_udp", {**PACKETS, **TCP}, datagrams, listening, "datagram", True, [*EVERYWHERE, {"on_failure": 5}]),
]
every_door = pytest.mark.parametrize("door", DOORS, ids=str)
with_descriptor = pytest.mark.parametrize("door", [door for door in DOORS if door.takes_descriptor], ids=str)


def nothing_stands(net: Reactor) -> bool:
    names = ("servers", "connections", "connectors", "endpoints", "ready", "timers")
    return {net.stats()[name] for name in names} == {0}


# --- what is wrong


@every_door
def test_a_sock_is_closed_when_another_argument_is_wrong_and_that_is_named(net: Reactor, door: Door) -> None:
    for wrong in door.wrong:
        (name,) = wrong
        sock = door.sock()
        with pytest.raises((TypeError, ValueError), match=f"{name} is"):
            door.call(net, sock=sock, **wrong)
        assert sock.fileno() == -1
    assert nothing_stands(net)


@with_descriptor
def test_so_is_the_socket_of_a_descriptor(net: Reactor, door: Door) -> None:
    for wrong in door.wrong:
        (name,) = wrong
        before, sock = open_descriptors(), door.sock()
        with pytest.raises((TypeError, ValueError), match=f"{name} is"):
            door.call(net, sock=sock.detach(), **wrong)
        assert open_descriptors() == before
    assert nothing_stands(net)


@every_door
def test_a_sock_is_closed_when_an_argument_is_not_known(net: Reactor, door: Door) -> None:
    sock = door.sock()
    with pytest.raises(TypeError, match="no_such_argument"):
        door.call(net, sock=sock, no_such_argument=True)
    assert sock.fileno() == -1


@every_door
@pytest.mark.parametrize("sock", ["5", 5.0, True, object()])
def test_a_sock_that_is_none_is_named(net: Reactor, door: Door, sock: Any) -> None:
    with pytest.raises(TypeError, match=r"sock is .*, it must be a socket\.socket"):
        door.call(net, sock=sock)
    assert nothing_stands(net)


@with_descriptor
def test_a_descriptor_of_no_socket_is_named_and_left_alone(net: Reactor, door: Door) -> None:
    read, write = os.pipe()
    for fd in (read, -1, 1 << 40):
        with pytest.raises(ValueError, match=f"sock is {fd}, which is no descriptor of a socket"):
            door.call(net, sock=fd)
    os.close(read)
    os.close(write)


@every_door
def test_a_sock_of_the_wrong_kind_is_named_and_closed(net: Reactor, door: Door) -> None:
    sock = door.other()
    with pytest.raises(ValueError, match=f"sock is .*, it must be a {door.kind} socket"):
        door.call(net, sock=sock)
    assert sock.fileno() == -1


@every_door
def test_a_closed_reactor_closes_a_sock(door: Door) -> None:
    net = Reactor()
    net.close()
    sock = door.sock()
    with pytest.raises(RuntimeError, match="closed"):
        door.call(net, sock=sock)
    assert sock.fileno() == -1


@every_door
def test_a_door_that_is_called_on_another_thread_closes_a_sock(net: Reactor, door: Door) -> None:
    sock, errors = door.sock(), []

    def call() -> None:
        try:
            door.call(net, sock=sock)
        except RuntimeError as exc:
            errors.append(str(exc))

    other = threading.Thread(target=call)
    net.call_soon(lambda: (other.start(), other.join()))
    run_until(net, lambda: errors)
    assert f"{door.name}()" in errors[0]
    assert sock.fileno() == -1


@pytest.mark.parametrize("door", DOORS[:2], ids=str)
def test_a_sock_that_can_not_be_watched_is_closed(net: Reactor, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(*args: Any) -> Any:
        raise OSError("no room to watch it")

    sock = door.sock()
    with monkeypatch.context() as patch:
        patch.setattr(net._selector, "register", register)
        with pytest.raises(OSError, match="no room"):
            door.call(net, sock=sock)
    assert sock.fileno() == -1
    assert nothing_stands(net)


@pytest.mark.parametrize("beside", [{"reconnect": Backoff()}, {"local_addr": (LOCAL, 0)}])
def test_what_is_for_dialling_is_refused_beside_a_sock(net: Reactor, beside: dict[str, Any]) -> None:
    (name,) = beside
    one, other = socket.socketpair()
    with other:
        with pytest.raises(ValueError, match=f"{name} is .* and a sock is given"):
            net.connect_tcp(Protocol, LOCAL, 1, sock=one, **beside)
        assert other.recv(1) == b"", "it is told the end"


# --- what stands


STANDS = {
    "listen_tcp": ("servers", "<Server listening at 127.0.0.1:"),
    "listen_unix": ("servers", "<Server listening at unix:"),
    "connect_tcp": ("connectors", "<Connector connecting to 127.0.0.1:0>"),
    "connect_unix": ("connectors", "<Connector connecting to unix:never made>"),
    "bind_udp": ("endpoints", "<DatagramEndpoint new at=('127.0.0.1', "),
    "connect_udp": ("endpoints", "<DatagramEndpoint new at=('127.0.0.1', "),
}


@every_door
def test_what_a_door_returns_can_be_read_and_counted(net: Reactor, door: Door) -> None:
    count, text = STANDS[door.name]
    made = door.call(net, sock=door.sock())
    assert repr(made).startswith(text), repr(made)
    assert net.stats()[count] == 1
    made.close()
    run_until(net, lambda: nothing_stands(net))
    assert "closed" in repr(made) or "lost" in repr(made)


def test_a_pipe_can_be_read_and_counted(net: Reactor) -> None:
    read, write = os.pipe()
    made = net.connect_pipe(Protocol, read)
    assert repr(made) == f"<Connection new pipe=({read}, None)>"
    assert net.stats()["connections"] == 1
    os.close(write)
    run_until(net, lambda: nothing_stands(net))
    assert not is_open(read)
