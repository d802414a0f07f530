"""Dial: a connection that is to come about, or one reason why it doesn't."""

from __future__ import annotations

import gc
import socket
import ssl
import weakref
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, Recorder, run_until

from reactor import Backoff, Connector, Limits, Protocol, Reactor

LOCAL = "127.0.0.1"
Certs = Any  # the class is conftest's
PATIENT = Limits(first_message_timeout=None)  # a server that has no timer of its own
QUICK = Backoff(initial=0.001, factor=1, longest=0.001, attempts=3)


class Outcome:
    """A client that is dialled, and what its dialler is told."""

    def __init__(self) -> None:
        self.client = FrameRecorder()
        self.failures: list[BaseException] = []
        self.made = 0

    def factory(self) -> FrameRecorder:
        self.made += 1
        return self.client

    def dial(self, net: Reactor, port: int, certs: Certs, retry: Backoff | None = QUICK) -> Connector:
        return net.connect_tcp(
            self.factory,
            LOCAL,
            port,
            tls=certs.client(),
            server_hostname="localhost.",  # the dot at its end is for name servers
            on_failure=self.failures.append,
            retry=retry,
        )


class HangsUp(Protocol):
    """A server that isn't ready: it resets whoever comes, and counts them."""

    come = 0

    def connection_made(self, transport: Any) -> None:
        type(self).come += 1
        transport.abort()


@pytest.fixture
def hangs_up() -> type[HangsUp]:
    return type("HangsUp", (HangsUp,), {})


def test_a_handshake_that_fails_is_tried_again_and_told_once(
    net: Reactor, certs: Certs, hangs_up: type[HangsUp]
) -> None:
    server, outcome = net.listen_tcp(hangs_up, LOCAL, 0, limits=PATIENT), Outcome()
    outcome.dial(net, server.addresses[0][1], certs)
    run_until(net, lambda: outcome.failures)
    net.run_once(0.01)
    assert (hangs_up.come, outcome.made, len(outcome.failures)) == (3, 3, 1)
    assert isinstance(outcome.failures[0], OSError)
    assert (outcome.client.made, outcome.client.ended) == (False, False)
    assert (net.stats()["timers"], len(net._connectors)) == (0, 0)


def test_without_retry_a_handshake_that_fails_is_told_at_once(
    net: Reactor, certs: Certs, hangs_up: type[HangsUp]
) -> None:
    server, outcome = net.listen_tcp(hangs_up, LOCAL, 0, limits=PATIENT), Outcome()
    outcome.dial(net, server.addresses[0][1], certs, retry=None)
    run_until(net, lambda: outcome.failures)
    assert (hangs_up.come, len(outcome.failures)) == (1, 1)


def test_a_server_that_is_ready_at_the_second_try_is_a_connection(net: Reactor, certs: Certs, echo: type[Echo]) -> None:
    class StartsUp(Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.abort()
            first.close()
            net.listen_tcp(echo, LOCAL, port, tls=certs.server())

    first, outcome = net.listen_tcp(StartsUp, LOCAL, 0), Outcome()
    port = first.addresses[0][1]
    outcome.dial(net, port, certs, Backoff(initial=0.01))
    run_until(net, lambda: outcome.client.made)
    outcome.client.send(b"hello")
    run_until(net, lambda: outcome.client.messages == [b"hello"])
    assert outcome.failures == []


def test_a_certificate_that_is_wrong_is_told_when_the_tries_are_spent(
    net: Reactor, certs: Certs, echo: type[Echo]
) -> None:
    server, outcome = net.listen_tcp(echo, LOCAL, 0, tls=certs.server("other name")), Outcome()
    outcome.dial(net, server.addresses[0][1], certs)
    run_until(net, lambda: outcome.failures)
    assert [type(each) for each in outcome.failures] == [ssl.SSLCertVerificationError]
    assert outcome.made == 3


@pytest.mark.parametrize("turns", range(12))
def test_closing_while_handshakes_fail_ends_it_without_a_word(
    net: Reactor, certs: Certs, hangs_up: type[HangsUp], turns: int
) -> None:
    server, outcome = net.listen_tcp(hangs_up, LOCAL, 0, limits=PATIENT), Outcome()
    connector = net.connect_tcp(
        outcome.factory,
        LOCAL,
        server.addresses[0][1],
        tls=certs.client(),
        on_failure=outcome.failures.append,
        retry=Backoff(initial=0.0001, longest=0.0001),
    )
    for _ in range(turns):
        net.run_once(0)
    connector.close()
    connector.close()
    run_until(net, lambda: not net.stats()["connections"])
    net.run_once(0)
    assert (outcome.failures, outcome.client.made) == ([], False)
    assert (net.stats()["timers"], len(net._connectors)) == (0, 0)


def test_closing_inside_the_factory_makes_no_connection(net: Reactor, echo: type[Echo]) -> None:
    def factory() -> FrameRecorder:
        connector.close()
        return client

    client, failures = FrameRecorder(), []
    server = net.listen_tcp(echo, LOCAL, 0)
    connector = net.connect_tcp(factory, *server.addresses[0], on_failure=failures.append)
    run_until(net, lambda: connector.closed and echo.made_here and echo.made_here[0].ended)
    assert (client.made, client.ended, failures) == (False, False, [])
    assert net.stats()["connections"] == 0


def test_closing_leaves_a_connection_that_is_made(net: Reactor, echo: type[Echo]) -> None:
    client, server = FrameRecorder(), net.listen_tcp(echo, LOCAL, 0)
    connector = net.connect_tcp(lambda: client, *server.addresses[0])
    run_until(net, lambda: client.made)
    connector.close()
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])


def test_an_interrupt_in_the_factory_leaves_nothing(net: Reactor, echo: type[Echo]) -> None:
    def factory() -> Any:
        raise KeyboardInterrupt

    failures: list[BaseException] = []
    server = net.listen_tcp(echo, LOCAL, 0)
    connector = net.connect_tcp(factory, *server.addresses[0], on_failure=failures.append)
    with pytest.raises(KeyboardInterrupt):
        run_until(net, lambda: False)
    assert connector.closed
    run_until(net, lambda: not net.stats()["connections"])
    assert (failures, len(net._connectors)) == ([], 0)


def test_a_failure_that_nobody_takes_is_reported_once(net: Reactor) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    with socket.create_server((LOCAL, 0)) as gone:
        port = gone.getsockname()[1]
    net.connect_tcp(Recorder, LOCAL, port)
    run_until(net, lambda: reports)
    net.run_once(0)
    assert [each["message"] for each in reports] == ["no connection, and no on_failure"]


def test_a_program_that_fails_is_reported_once_though_nobody_takes_it(net: Reactor, echo: type[Echo]) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    server = net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(lambda: None, *server.addresses[0], retry=QUICK)
    run_until(net, lambda: echo.made_here and echo.made_here[0].ended)
    assert len(reports) == 1


def test_a_name_that_takes_its_time_is_no_reason_to_be_made_twice(net: Reactor, echo: type[Echo]) -> None:
    outcome, server = Outcome(), net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(outcome.factory, "localhost", server.addresses[0][1], limits=Limits(connect_timeout=None))
    run_until(net, lambda: outcome.client.made)
    assert outcome.made == 1


def test_nothing_of_a_dial_that_is_over_waits_for_the_collector(net: Reactor) -> None:
    gc.disable()
    try:
        with socket.create_server((LOCAL, 0)) as gone:
            port = gone.getsockname()[1]
        failures: list[BaseException] = []
        dialled = weakref.ref(net.connect_tcp(Recorder, LOCAL, port, on_failure=failures.append)._on_failure.__self__)
        run_until(net, lambda: failures)
        failures.clear()
        net.run_once(0)
        assert dialled() is None
    finally:
        gc.enable()


# --- where it connects from


def came_from(echo: type[Echo]) -> Any:
    return echo.made_here[0].transport.get_extra_info("peername")


def test_a_local_address_is_what_the_server_sees(net: Reactor, echo: type[Echo]) -> None:
    client, server = FrameRecorder(), net.listen_tcp(echo, LOCAL, 0)
    net.connect_tcp(lambda: client, *server.addresses[0], local_addr=(LOCAL, 0))
    run_until(net, lambda: client.made and echo.made_here)
    with socket.create_server((LOCAL, 0)) as free:
        port = free.getsockname()[1]
    echo.made_here.clear()
    net.connect_tcp(FrameRecorder, *server.addresses[0], local_addr=(LOCAL, port))
    run_until(net, lambda: echo.made_here and echo.made_here[0].made)
    assert came_from(echo) == (LOCAL, port)


def test_who_comes_back_may_come_from_one_port(net: Reactor, echo: type[Echo]) -> None:
    """Though the kernel still remembers its last connection."""
    with socket.create_server((LOCAL, 0)) as free:
        port = free.getsockname()[1]
    server, other = net.listen_tcp(echo, LOCAL, 0), net.listen_tcp(echo, LOCAL, 0)
    for each in (server, other):
        echo.made_here.clear()
        client, failures = FrameRecorder(), list[BaseException]()
        made = net.connect_tcp(
            lambda client=client: client, *each.addresses[0], local_addr=(LOCAL, port), on_failure=failures.append
        )
        run_until(net, lambda client=client, failures=failures: client.made or failures)
        assert failures == []
        made.connection.close()
        run_until(net, lambda: echo.made_here and echo.made_here[0].ended)


def test_a_local_address_that_is_taken_or_not_here_is_a_failure_that_names_it(net: Reactor, echo: type[Echo]) -> None:
    server, failures = net.listen_tcp(echo, LOCAL, 0), list[BaseException]()
    taken = server.addresses[0]
    for local in (taken, ("192.0.2.1", 0)):
        net.connect_tcp(FrameRecorder, *taken, local_addr=local, on_failure=failures.append)
    run_until(net, lambda: len(failures) == 2)
    assert [type(each) for each in failures] == [OSError, OSError]
    assert f"can't connect from {LOCAL}:{taken[1]}, which is local_addr: Address already in use" in str(failures[0])
    assert "can't connect from 192.0.2.1:0, which is local_addr" in str(failures[1])


def test_a_local_address_of_another_kind_reaches_nothing_and_says_so(net: Reactor) -> None:
    failures: list[BaseException] = []
    net.connect_tcp(FrameRecorder, LOCAL, 1, local_addr=("::1", 0), on_failure=failures.append)
    run_until(net, lambda: failures)
    assert str(failures[0]) == f"no address for {LOCAL}:1 of the same kind as ::1, which is local_addr"
