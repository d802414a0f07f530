"""Reactor, over real sockets: servers and clients, good peers and bad ones."""

from __future__ import annotations

import gc
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, Recorder, elsewhere, elsewhere_in_a_turn, run_until

from reactor import EventLoop, FramedProtocol, FrameTooLarge, FrameTruncated, Framing, Limits, Protocol, Reactor

LOCAL = "127.0.0.1"
Dial = Callable[[Any, bytes], socket.socket]


def port_of(server: Any) -> int:
    return int(server.addresses[0][1])


# --- the main job


class CutSender(FrameRecorder):
    """Sends its messages' bytes in random cuts, one a turn, and takes the echoes."""

    def __init__(self, net: Reactor, seed: int) -> None:
        super().__init__()
        self.net = net
        random_ = random.Random(seed)
        self.sizes = [int(2 ** random_.uniform(0, 17)) for _ in range(60)]
        self.wanted = [random_.randbytes(size) for size in self.sizes]
        self.random = random_

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.left = memoryview(Framing().encode_many(self.wanted))
        self.send_some()

    def send_some(self) -> None:
        cut = self.random.choice([1, 1, 2, 3, 5, 700, 70_000, 1 << 20])
        self.transport.write(self.left[:cut])
        self.left = self.left[cut:]
        if self.left:
            self.net.call_soon(self.send_some)

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) == len(self.wanted):
            self.transport.close()


def test_24_connections_get_60_random_messages_back_however_they_were_cut(
    net: Reactor, twin: ModuleType, echo: type[Echo]
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    clients = [CutSender(net, seed) for seed in range(24)]
    for client in clients:
        net.connect_tcp(lambda client=client: client, LOCAL, port_of(server))
    run_until(net, lambda: all(client.ended for client in clients))
    for client in clients:
        assert client.messages == client.wanted
        assert client.lost is None
    run_until(net, lambda: all(each.ended for each in echo.made_here))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1 << 20])
def test_a_message_of_any_size_up_to_the_limit_comes_back(
    net: Reactor, twin: ModuleType, echo: type[Echo], size: int
) -> None:
    body, client = os.urandom(size), FrameRecorder()
    server = net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(lambda: client, LOCAL, port_of(server))
    run_until(net, lambda: client.made)
    client.send(body)
    run_until(net, lambda: client.messages)
    assert client.messages == [body]


# --- listening


def test_a_port_in_use_is_refused_at_once_and_named(net: Reactor, echo: type[Echo]) -> None:
    port = port_of(net.listen_tcp(echo, LOCAL, 0))
    with pytest.raises(OSError, match="Address already in use") as caught:
        net.listen_tcp(echo, LOCAL, port)
    assert f"can't listen on {LOCAL}:{port}" in str(caught.value)


def test_every_address_of_a_host_gets_the_same_port(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, None, 0)
    assert len({address[1] for address in server.addresses}) == 1
    client = FrameRecorder()
    net.connect_tcp(lambda: client, "localhost", port_of(server))
    run_until(net, lambda: client.made)


def test_a_host_that_does_not_resolve_is_refused_at_once(net: Reactor, echo: type[Echo]) -> None:
    with pytest.raises(socket.gaierror, match=r"can't resolve 'no-such-host\.invalid'"):
        net.listen_tcp(echo, "no-such-host.invalid", 0)


def test_a_socket_can_be_brought_along(net: Reactor, echo: type[Echo]) -> None:
    sock = socket.socket()
    sock.bind((LOCAL, 0))
    server = net.listen_tcp(echo, "", 0, sock=sock)
    assert server.addresses == [sock.getsockname()]


def test_a_closed_server_takes_nobody_and_keeps_whom_it_has(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    client, failures = FrameRecorder(), []
    net.connect_tcp(lambda: client, LOCAL, port_of(server))
    run_until(net, lambda: echo.made_here and echo.made_here[0].made)
    server.close()
    server.close()
    net.connect_tcp(FrameRecorder, LOCAL, port_of(server), on_failure=failures.append)
    client.send(b"still here")
    run_until(net, lambda: failures and client.messages)
    assert isinstance(failures[0], ConnectionRefusedError)
    assert client.messages == [b"still here"]


def test_a_full_server_lets_the_next_wait_until_one_leaves(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, limits=Limits(max_connections=1))
    first, second = FrameRecorder(), FrameRecorder()
    net.connect_tcp(lambda: first, LOCAL, port_of(server))
    run_until(net, lambda: echo.made_here)
    net.connect_tcp(lambda: second, LOCAL, port_of(server))
    run_until(net, lambda: second.made)
    net.run_once(0.05)
    assert len(echo.made_here) == 1
    first.transport.close()
    run_until(net, lambda: len(echo.made_here) == 2)


def test_a_peer_host_may_have_only_so_many(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, limits=Limits(max_per_peer=1))
    first = dial(server, b"")
    run_until(net, lambda: echo.made_here)
    second = dial(server, b"")
    run_until(net, lambda: hung_up(second))
    assert len(echo.made_here) == 1
    first.close()
    run_until(net, lambda: echo.made_here[0].ended)
    dial(server, b"")
    run_until(net, lambda: len(echo.made_here) == 2)


# --- connecting


def test_a_refused_connection_is_told_once(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    port = port_of(server)
    server.close()
    failures: list[BaseException] = []
    net.connect_tcp(FrameRecorder, LOCAL, port, on_failure=failures.append)
    run_until(net, lambda: failures)
    assert [str(each) for each in failures] == [f"[Errno 111] can't connect to {LOCAL}:{port}: Connection refused"]


def test_a_failure_that_nobody_takes_is_reported(net: Reactor) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    net.connect_tcp(FrameRecorder, "no-such-host.invalid", 80)
    run_until(net, lambda: reports)
    assert "no-such-host.invalid" in str(reports[0]["exception"])


def test_a_client_factory_that_raises_is_a_failure_too(net: Reactor, echo: type[Echo]) -> None:
    reports: list[Any] = []
    failures: list[Any] = []
    net.set_exception_handler(lambda _, context: reports.append(context))

    def factory() -> Any:
        raise ValueError("no protocol today")

    server = net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(factory, LOCAL, port_of(server), on_failure=failures.append)
    run_until(net, lambda: failures)
    assert str(failures[0]) == "no protocol today"
    assert len(reports) == 1


def test_closing_the_reactor_cancels_what_still_connects(echo: type[Echo]) -> None:
    failures: list[BaseException] = []
    with Reactor() as net:
        server = net.listen_tcp(echo, LOCAL, 0)
        net.connect_tcp(FrameRecorder, LOCAL, port_of(server), on_failure=failures.append)
        net.connect_tcp(FrameRecorder, "localhost", port_of(server), on_failure=failures.append)
    assert failures == []


def test_closing_the_reactor_ends_every_connection(echo: type[Echo]) -> None:
    client = FrameRecorder()
    with Reactor() as net:
        server = net.listen_tcp(echo, LOCAL, 0)
        net.connect_tcp(lambda: client, LOCAL, port_of(server))
        run_until(net, lambda: client.made and echo.made_here)
    assert (client.ended, client.lost) == (True, None)
    assert echo.made_here[0].ended


# --- sockets that are brought along


def test_a_connected_socket_can_be_brought_along(net: Reactor, echo: type[Echo]) -> None:
    server, client = net.listen_tcp(echo, LOCAL, 0), FrameRecorder()
    net.connect_tcp(lambda: client, LOCAL, 0, sock=socket.create_connection(server.addresses[0]))
    assert not client.made, "never from inside the call"
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    assert client.transport.get_extra_info("peername") == server.addresses[0]


def test_a_socket_that_is_not_connected_is_a_failure(net: Reactor) -> None:
    failures: list[BaseException] = []
    net.connect_tcp(FrameRecorder, LOCAL, 0, sock=socket.socket(), on_failure=failures.append)
    run_until(net, lambda: failures)
    assert "isn't connected" in str(failures[0])


def test_cancelling_closes_a_socket_that_was_brought_along(net: Reactor) -> None:
    one, other = socket.socketpair()
    with other:
        net.connect_unix(FrameRecorder, "unused", sock=one).close()
        assert other.recv(1) == b""


# --- bad peers, and the others go on


def other_client_is_served(net: Reactor, server: Any) -> None:
    client = FrameRecorder()
    net.connect_tcp(lambda: client, LOCAL, port_of(server))
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    client.transport.close()
    run_until(net, lambda: client.ended)


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Return what connects a plain socket to a server and sends it some bytes."""
    socks: list[socket.socket] = []

    def dial(server: Any, data: bytes) -> socket.socket:
        sock = socket.create_connection(server.addresses[0])
        socks.append(sock)
        sock.sendall(data)
        sock.setblocking(False)
        return sock

    yield dial
    for sock in socks:
        sock.close()


def hung_up(peer: socket.socket) -> bool:
    """Tell whether the other side has ended the connection."""
    try:
        return peer.recv(1 << 16) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_an_http_request_is_told_apart_and_hurts_nobody_else(
    net: Reactor, twin: ModuleType, echo: type[Echo], dial: Dial
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    peer = dial(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    run_until(net, lambda: hung_up(peer))
    lost = echo.made_here[0].lost
    assert isinstance(lost, FrameTooLarge)
    assert "47 45 54 20 'GET '" in str(lost)
    assert "looks like HTTP" in str(lost)
    assert "max_frame_length is 1048576" in str(lost)
    other_client_is_served(net, server)


def test_hanging_up_inside_a_frame_is_told_and_hurts_nobody_else(
    net: Reactor, twin: ModuleType, echo: type[Echo], dial: Dial
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    peer = dial(server, b"\0\0\0\5he")
    peer.close()
    run_until(net, lambda: echo.made_here and echo.made_here[0].ended)
    assert isinstance(echo.made_here[0].lost, FrameTruncated)
    assert "2 of 5 bytes" in str(echo.made_here[0].lost)
    other_client_is_served(net, server)


def test_a_reset_is_an_oserror_and_hurts_nobody_else(net: Reactor, echo: type[Echo]) -> None:
    server, peer = net.listen_tcp(echo, LOCAL, 0), Recorder()
    net.connect_tcp(lambda: peer, LOCAL, port_of(server))
    run_until(net, lambda: peer.calls and echo.made_here)
    peer.transport.abort()
    run_until(net, lambda: echo.made_here[0].ended)
    assert isinstance(echo.made_here[0].lost, ConnectionResetError)
    other_client_is_served(net, server)


@pytest.mark.parametrize("where", ["factory", "connection_made", "message_received", "connection_lost"])
def test_an_exception_anywhere_ends_that_connection_only(net: Reactor, dial: Dial, where: str) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    count = 0

    class Fragile(FramedProtocol):
        def __init__(self) -> None:
            nonlocal count
            count += 1
            self.bad = count == 1
            self.fail_in("factory")

        def fail_in(self, here: str) -> None:
            if self.bad and here == where:
                raise ValueError(here)

        def connection_made(self, transport: Any) -> None:
            self.fail_in("connection_made")

        def message_received(self, message: bytes) -> None:
            self.fail_in("message_received")
            self.send(message)

        def connection_lost(self, exc: BaseException | None) -> None:
            self.fail_in("connection_lost")

    server = net.listen_tcp(Fragile, LOCAL, 0)
    peer = dial(server, Framing().encode(b"x"))
    if where == "connection_lost":
        peer.shutdown(socket.SHUT_WR)
    run_until(net, lambda: reports and hung_up(peer))
    assert [str(each["exception"]) for each in reports] == [where]
    other_client_is_served(net, server)


class NoFraming(FramedProtocol):
    @property
    def framing(self) -> Framing:  # type: ignore[override]
        raise KeyError("no such version")


class NoTransport(Recorder):
    @property
    def transport(self) -> Any:  # type: ignore[override]
        return None


@pytest.mark.parametrize("kind", [NoFraming, NoTransport])
def test_a_protocol_that_a_server_cannot_use_is_reported_once_and_leaves_nothing(
    net: Reactor, dial: Dial, kind: type[Any]
) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    server = net.listen_tcp(kind, LOCAL, 0, limits=Limits(max_connections=1))
    for count in (1, 2):
        peer = dial(server, b"")
        run_until(net, lambda peer=peer: hung_up(peer))
        assert len(reports) == count
    run_until(net, lambda: not server.connections)
    assert (net.stats()["connections"], net.stats()["handshake_failures"]) == (0, 0)


@pytest.mark.parametrize("kind", [NoFraming, NoTransport])
def test_a_protocol_that_a_client_cannot_use_is_reported_and_told_once(
    net: Reactor, echo: type[Echo], kind: type[Any]
) -> None:
    reports: list[BaseException] = []
    failures: list[BaseException] = []
    net.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(kind, *server.addresses[0], on_failure=failures.append)
    run_until(net, lambda: failures and not net.stats()["connections"])
    assert failures == reports
    assert len(failures) == 1


def test_stats_count_connections(net: Reactor, echo: type[Echo]) -> None:
    server = net.listen_tcp(echo, LOCAL, 0)
    client = FrameRecorder()
    net.connect_tcp(lambda: client, LOCAL, port_of(server))
    run_until(net, lambda: client.made and echo.made_here)
    assert net.stats()["connections"] == 2
    assert net.stats()["servers"] == 1


def test_nothing_of_what_was_dialled_or_lingered_waits_for_the_collector(net: Reactor) -> None:
    """Both ends here: a client, and a server that answers and closes first, so that its socket lingers."""

    class AnswersOnce(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            self.send(message)
            self.transport.close()

    class Asks(FrameRecorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.send(b"once")

    def exchange() -> None:
        client = Asks()
        net.connect_tcp(lambda: client, *server.addresses[0])
        run_until(net, lambda: client.ended and not net._lingers)

    server = net.listen_tcp(AnswersOnce, LOCAL, 0)
    exchange()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        exchange()
        gc.collect()
        assert [each for each in gc.garbage if type(each).__module__.startswith("reactor")] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


# --- other threads

DOORS: dict[str, Callable[[Reactor, str], object]] = {
    "listen_tcp": lambda net, path: net.listen_tcp(Protocol, "127.0.0.1", 0),
    "listen_unix": lambda net, path: net.listen_unix(Protocol, path),
    "connect_tcp": lambda net, path: net.connect_tcp(Protocol, "127.0.0.1", 1),
    "connect_unix": lambda net, path: net.connect_unix(Protocol, path),
    "drain": lambda net, path: net.drain(0),
    "stats": lambda net, path: net.stats(),
    "close": lambda net, path: net.close(),
}


@pytest.mark.parametrize("name", DOORS)
def test_while_it_runs_no_other_thread_is_served(net: Reactor, tmp_path: Path, name: str) -> None:
    raised = elsewhere_in_a_turn(net, lambda: DOORS[name](net, str(tmp_path / "sock")))
    assert str(raised) == f"{name}() on another thread than the loop runs on: use call_soon_threadsafe()"
    assert net.stats()["watched"] == 0
    assert not list(tmp_path.iterdir())


def test_while_it_is_closed_here_no_other_thread_closes_it() -> None:
    net, raised = Reactor(), list[Any]()

    class Closing(Protocol):
        def connection_lost(self, exc: BaseException | None) -> None:
            self.transport.write(b"as ever")
            raised.append(elsewhere(net.close))

    server = net.listen_tcp(Protocol, "127.0.0.1", 0)
    net.connect_tcp(Closing, *server.addresses[0])
    run_until(net, lambda: net.stats()["connections"] == 2)
    assert elsewhere(net.close) is None, "nobody runs it, so that any thread may close it"
    assert [str(each) for each in raised] == [
        "close() on another thread than the loop runs on: use call_soon_threadsafe()"
    ]


# --- what a debugging person is shown


def test_a_loop_tells_what_it_has() -> None:
    with EventLoop() as loop:
        loop.call_later(1, print)
        loop.call_soon(lambda: shown.append(repr(loop)))
        shown: list[str] = []
        loop.run_once(0)
        assert [*shown, repr(loop)] == ["<EventLoop idle, files=0, timers=1>"] * 2
        loop.call_soon(lambda: (shown.append(repr(loop)), loop.stop()))
        loop.run()
        assert shown[-1] == "<EventLoop running, files=0, timers=1>"
    assert repr(loop) == "<EventLoop closed>"


def test_a_reactor_and_its_server_tell_who_is_connected() -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(Protocol, "127.0.0.1", 0)
        where = f"127.0.0.1:{server.addresses[0][1]}"
        assert repr(server) == f"<Server listening at {where}, connections=0>"
        with socket.create_connection(server.addresses[0]):
            while server.connections == 0:
                reactor.run_once(1)
            assert repr(reactor) == "<Reactor idle, files=2, timers=1, servers=1, connections=1>"
            server.close()
            assert repr(server) == f"<Server closed at {where}, connections=1>"
            server.drain(10)
            assert repr(server) == f"<Server draining at {where}, connections=1>"
    assert repr(reactor) == "<Reactor closed, servers=0, connections=0>"
