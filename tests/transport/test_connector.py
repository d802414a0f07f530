"""Connector: one connection, or one reason why there is none."""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import run_until

from reactor import ConnectionTimeout, EventLoop, Reactor
from reactor.testing import ManualClock
from reactor.transport import Connector, connector, sockets
from reactor.transport.address import TCPAddress
from reactor.transport.resolver import Endpoint


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 5, False) as sock:
        yield sock


class Outcome:
    """What came of it."""

    def __init__(self) -> None:
        self.socks: list[socket.socket] = []
        self.failures: list[BaseException] = []

    def connected(self, sock: socket.socket, peer: Any) -> None:
        self.socks.append(sock)

    def __bool__(self) -> bool:
        return bool(self.socks or self.failures)


def start(loop: EventLoop, outcome: Outcome, host: str, port: int, timeout: float | None = 10) -> Connector:
    return Connector(loop, TCPAddress(host, port), outcome.connected, outcome.failures.append, timeout)


def test_a_connection_is_handed_over(net: Reactor, listener: socket.socket) -> None:
    outcome = Outcome()
    start(net, outcome, *listener.getsockname())
    assert not outcome, "never from inside the call"
    run_until(net, lambda: outcome)
    assert outcome.socks[0].getpeername() == listener.getsockname()
    outcome.socks[0].close()
    assert net.stats()["timers"] == 0


def test_a_refused_connection_names_the_address(net: Reactor, listener: socket.socket) -> None:
    outcome, (host, port) = Outcome(), listener.getsockname()
    listener.close()
    start(net, outcome, host, port)
    run_until(net, lambda: outcome)
    (failure,) = outcome.failures
    assert isinstance(failure, ConnectionRefusedError)
    assert f"can't connect to {host}:{port}: Connection refused" in str(failure)


def test_a_name_that_does_not_resolve_is_one_failure(net: Reactor) -> None:
    outcome = Outcome()
    start(net, outcome, "no-such-host.invalid", 80)
    run_until(net, lambda: outcome)
    assert "can't resolve 'no-such-host.invalid'" in str(outcome.failures[0])


def answer(monkeypatch: pytest.MonkeyPatch, *endpoints: Endpoint) -> None:
    """Let every name have these endpoints."""

    def resolve(loop: EventLoop, address: TCPAddress, on_done: Callable[[Any], object]) -> None:
        future: Any = connector.Future()
        future.set_result(list(endpoints))
        loop.call_soon(on_done, future)

    monkeypatch.setattr(connector, "resolve", resolve)


def test_the_next_address_is_tried(net: Reactor, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    with sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 1, False) as gone:
        dead = gone.getsockname()
    answer(monkeypatch, Endpoint(socket.AF_INET, dead), Endpoint(socket.AF_INET, listener.getsockname()))
    outcome = Outcome()
    start(net, outcome, "name", 80)
    run_until(net, lambda: outcome)
    assert outcome.socks[0].getpeername() == listener.getsockname()
    outcome.socks[0].close()


def test_no_address_at_all_is_a_failure(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    outcome = Outcome()
    start(net, outcome, "name", 80)
    run_until(net, lambda: outcome)
    assert "no address for name:80" in str(outcome.failures[0])


def hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connect be one that never ends: a socket that is never writable."""

    def start_connect(family: int, sockaddr: Any) -> socket.socket:
        one, other = socket.socketpair()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        try:
            while True:
                one.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        kept.append(other)
        return one

    kept: list[socket.socket] = []
    monkeypatch.setattr(sockets, "start_connect", start_connect)
    monkeypatch.setattr(hang, "kept", kept, raising=False)


def test_the_timeout_bounds_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    hang(monkeypatch)
    clock, outcome = ManualClock(), Outcome()
    with Reactor(clock=clock) as net:
        start(net, outcome, "127.0.0.1", 80, timeout=10)
        net.run_once(0)
        clock.advance(9.9)
        net.run_once(0)
        assert not outcome
        clock.advance(0.1)
        net.run_once(0)
    assert isinstance(outcome.failures[0], ConnectionTimeout)
    assert "127.0.0.1:80" in str(outcome.failures[0])
    assert "connect_timeout" in str(outcome.failures[0])
    hang.kept[0].close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("turns_before", range(4))
def test_cancelling_at_any_moment_leaves_nothing(net: Reactor, listener: socket.socket, turns_before: int) -> None:
    outcome = Outcome()
    attempt = start(net, outcome, *listener.getsockname())
    for _ in range(turns_before):
        if not outcome:
            net.run_once(0)
    attempt.cancel()
    attempt.cancel()
    had = len(outcome.socks)
    net.run_once(0)
    assert (len(outcome.socks), outcome.failures) == (had, [])
    for sock in outcome.socks:
        sock.close()


def test_a_socket_that_cannot_be_made_is_a_failure(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_connect(family: int, sockaddr: Any) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(sockets, "start_connect", start_connect)
    outcome = Outcome()
    start(net, outcome, "127.0.0.1", 80)
    run_until(net, lambda: outcome)
    assert "Too many open files" in str(outcome.failures[0])
