"""Lookup: a datagram endpoint whose host is a name."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from datagram.cast import DatagramEcho, Datagrams, address_of
from helpers import run_until

from reactor import ConnectionTimeout, Limits, Reactor
from reactor.transport import resolver

pytestmark = pytest.mark.usefixtures("mechanism")
LOCAL = "127.0.0.1"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let names be looked up for as long as this isn't set."""
    answer = threading.Event()
    found = socket.getaddrinfo

    def getaddrinfo(*args: Any, **named: Any) -> Any:
        if not named.get("flags", 0) & socket.AI_NUMERICHOST:
            answer.wait(20)
        return found(LOCAL, *args[1:], **named)

    monkeypatch.setattr(resolver.socket, "getaddrinfo", getaddrinfo)
    yield answer
    answer.set()


def test_what_is_sent_meanwhile_waits_and_leaves_when_the_name_is_known(net: Reactor, held: threading.Event) -> None:
    server, ours = net.bind_udp(DatagramEcho, LOCAL, 0), Datagrams()
    client = net.connect_udp(lambda: ours, "a.name", address_of(server)[1])
    client.sendto(b"early")
    net.run_once(0)
    assert ours.calls == []
    assert client.get_write_buffer_size() == 128
    assert client.get_extra_info("socket") is None
    assert repr(client) == "<DatagramEndpoint new>"
    held.set()
    run_until(net, lambda: ours.came)
    assert ours.calls == ["made", "datagram"]
    assert client.get_extra_info("peername") == address_of(server)


def test_what_finds_no_room_meanwhile_is_dropped_and_counted(net: Reactor, held: threading.Event) -> None:
    client = net.connect_udp(Datagrams, "a.name", 9, limits=Limits(max_write_buffer=1000))
    for _ in range(20):
        client.sendto(b"x" * 100)
    assert client.get_write_buffer_size() <= 1000
    assert client.datagrams_dropped == 20 - client.get_write_buffer_size() // 128
    client.abort()


def test_no_addr_is_taken_before_the_name_is_known(net: Reactor, held: threading.Event) -> None:
    client = net.connect_udp(Datagrams, "a.name", 9)
    with pytest.raises(ValueError, match="a name that is being looked up"):
        client.sendto(b"x", (LOCAL, 9))
    with pytest.raises(RuntimeError, match="needs a UDP socket"):
        client.join_group("224.1.1.1")
    client.close()


def test_a_name_that_is_not_known_is_told_once_and_nothing_was_made(net: Reactor) -> None:
    ours, failures = Datagrams(), []
    client = net.connect_udp(lambda: ours, "no-such-host.invalid", 9, on_failure=failures.append)
    run_until(net, lambda: failures)
    assert "can't resolve 'no-such-host.invalid'" in str(failures[0])
    assert client.is_closing()
    assert ours.calls == []
    assert (len(failures), net.stats()["endpoints"]) == (1, 0)


def test_without_on_failure_it_is_reported(net: Reactor) -> None:
    reports: list[Any] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    net.connect_udp(Datagrams, "no-such-host.invalid", 9)
    run_until(net, lambda: reports)
    assert isinstance(reports[0]["exception"], socket.gaierror)


def test_a_name_server_that_is_silent_has_connect_timeout(net: Reactor, held: threading.Event) -> None:
    failures: list[BaseException] = []
    limits = Limits(connect_timeout=0.02)
    net.connect_udp(Datagrams, "a.name", 9, on_failure=failures.append, limits=limits)
    run_until(net, lambda: failures)
    assert isinstance(failures[0], ConnectionTimeout)
    assert "can't look up a.name:9 in 0.02 s, which is connect_timeout" in str(failures[0])
    held.set()
    assert net.stats()["timeouts_connect"] == 1


def test_who_closes_before_the_name_is_known_hears_nothing_more(net: Reactor, held: threading.Event) -> None:
    ours, failures = Datagrams(), []
    client = net.connect_udp(lambda: ours, "a.name", 9, on_failure=failures.append)
    client.sendto(b"x")
    client.close()
    net.run_once(0)
    held.set()
    for _ in range(5):
        net.run_once(0.01)
    assert (ours.calls, failures, client.datagrams_dropped) == ([], [], 1)
