"""Names to addresses."""

import socket
from concurrent.futures import Future

import pytest
from helpers import run_until

from reactor import Reactor
from reactor.transport import resolver
from reactor.transport.address import TCPAddress
from reactor.transport.resolver import Endpoint, check_port, resolve, resolve_now

Found = Future[list[Endpoint]]


def test_a_numeric_host_needs_no_thread(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "run_in_thread", None)
    done: list[Found] = []
    resolve(net, TCPAddress("127.0.0.1", 80), done.append)
    assert done == [], "never from inside the call"
    run_until(net, lambda: done)
    assert done[0].result() == [Endpoint(socket.AF_INET, ("127.0.0.1", 80))]


def test_a_name_is_resolved_off_the_loop(net: Reactor) -> None:
    done: list[Found] = []
    resolve(net, TCPAddress("localhost", 80), done.append)
    run_until(net, lambda: done)
    assert ("127.0.0.1", 80) in [endpoint.sockaddr for endpoint in done[0].result()]


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 64 + ".invalid"])
def test_a_name_that_does_not_resolve_is_named(name: str) -> None:
    with pytest.raises(socket.gaierror, match=f"can't resolve '{name}'"):
        resolve_now(name, 80)


def test_each_endpoint_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))] * 2
    monkeypatch.setattr(resolver.socket, "getaddrinfo", lambda *args, **kwargs: twice)
    assert len(resolve_now("localhost", 80)) == 1


@pytest.mark.parametrize("port", ["9000", "http", None, 80.0, True])
def test_a_port_that_is_no_int_is_named(port: object) -> None:
    with pytest.raises(TypeError, match="port is"):
        check_port(port)  # type: ignore[arg-type]
