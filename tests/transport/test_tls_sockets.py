"""TLS over real sockets, with Python's own client at the other end."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder, run_until
from transport.tls_peer import Certs

from reactor import FramedProtocol, Framing, Reactor
from reactor.testing import ManualClock

LOCAL = "127.0.0.1"


class Echo(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(message)


def python_client(context: ssl.SSLContext, port: int, body: bytes) -> bytes:
    """Send a message, with Python's blocking client; return the answer, after a clean end."""
    with (
        socket.create_connection((LOCAL, port), timeout=20) as sock,
        context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
    ):
        tls.sendall(Framing().encode(body))
        answer = b""
        while len(answer) < len(body) + 4:
            answer += tls.recv(1 << 16)
        tls.unwrap()
        return answer[4:]


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_pythons_own_client_is_served(net: Reactor, certs: Certs, size: int) -> None:
    server, body = net.listen_tcp(Echo, LOCAL, 0, tls=certs.server()), os.urandom(size)
    answer = net.run_in_thread(python_client, certs.client(), server.addresses[0][1], body)
    run_until(net, answer.done)
    assert answer.result() == body
    run_until(net, lambda: not server.connections)
    assert net.stats()["handshake_failures"] == 0


def serve_tls(net: Reactor, certs: Certs, **options: Any) -> Any:
    return net.listen_tcp(Echo, LOCAL, 0, tls=certs.server(**options))


def other_client_is_served(net: Reactor, server: Any, certs: Certs, trusting: Any = None) -> None:
    client = FrameRecorder()
    net.connect_tcp(
        lambda: client, LOCAL, server.addresses[0][1], tls=trusting or certs.client(), server_hostname="localhost"
    )
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    client.transport.close()
    run_until(net, lambda: client.ended and not server.connections)
    assert client.lost is None


def test_our_client_is_served_and_checks_the_host_it_was_given(net: Reactor, certs: Certs) -> None:
    server, client = serve_tls(net, certs), FrameRecorder()
    net.connect_tcp(lambda: client, "localhost", server.addresses[0][1], tls=certs.client())
    run_until(net, lambda: client.made)
    client.send(bytes(1 << 20))
    run_until(net, lambda: client.messages)
    assert client.messages == [bytes(1 << 20)]


@pytest.mark.parametrize("which", ["expired", "other name", "unknown authority"])
def test_a_certificate_that_is_not_good_is_one_failure_and_the_server_goes_on(
    net: Reactor, certs: Certs, which: str
) -> None:
    server, client, failures = serve_tls(net, certs, which=which), FrameRecorder(), []
    net.connect_tcp(lambda: client, "localhost", server.addresses[0][1], tls=certs.client(), on_failure=failures.append)
    run_until(net, lambda: failures and net.stats()["handshake_failures"] and not server.connections)
    assert [type(each) for each in failures] == [ssl.SSLCertVerificationError]
    assert (client.made, client.ended, net.stats()["handshake_failures"]) == (False, False, 1)
    lenient = certs.client()
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    other_client_is_served(net, server, certs, lenient)
    assert len(failures) == 1


def test_a_failed_handshake_that_nobody_takes_is_reported(net: Reactor, certs: Certs) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    server = serve_tls(net, certs, which="expired")
    net.connect_tcp(FrameRecorder, "localhost", server.addresses[0][1], tls=certs.client())
    run_until(net, lambda: reports and not server.connections)
    assert [type(each["exception"]) for each in reports] == [ssl.SSLCertVerificationError]


def test_a_plain_http_client_at_a_tls_port_hurts_nobody_else(net: Reactor, certs: Certs) -> None:
    server = serve_tls(net, certs)

    def ask() -> bytes:
        with socket.create_connection(server.addresses[0], timeout=20) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                return sock.recv(1 << 16)
            except ConnectionResetError:
                return b""

    answer = net.run_in_thread(ask)
    run_until(net, lambda: answer.done() and net.stats()["handshake_failures"])
    assert answer.result()[:1] in (b"", b"\x15"), "nothing, or an alert"
    other_client_is_served(net, server, certs)
    assert net.stats()["handshake_failures"] == 1


def test_a_plain_server_at_the_other_end_is_one_failure(net: Reactor, certs: Certs) -> None:
    failures: list[BaseException] = []

    class Greets(Recorder):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"220 welcome to a server without TLS\r\n")

    server = net.listen_tcp(Greets, LOCAL, 0)
    net.connect_tcp(
        FrameRecorder,
        LOCAL,
        server.addresses[0][1],
        tls=certs.client(),
        server_hostname="localhost",
        on_failure=failures.append,
    )
    run_until(net, lambda: failures and not server.connections)
    assert len(failures) == 1
    assert isinstance(failures[0], ssl.SSLError)


@pytest.mark.parametrize("turns_before", range(6))
def test_cancelling_inside_the_handshake_leaves_nothing(net: Reactor, certs: Certs, turns_before: int) -> None:
    failures: list[BaseException] = []
    client = FrameRecorder()
    with socket.create_server((LOCAL, 0)) as silent:  # it never shakes hands
        attempt = net.connect_tcp(
            lambda: client,
            LOCAL,
            silent.getsockname()[1],
            tls=certs.client(),
            server_hostname="localhost",
            on_failure=failures.append,
        )
        for _ in range(turns_before):
            net.run_once(0)
        attempt.close()
        attempt.close()
        net.run_once(0)
        assert (net.stats()["connections"], net.stats()["timers"], net.stats()["watched"]) == (0, 0, 0)
    assert (failures, client.made, client.ended) == ([], False, False)


def test_a_server_that_never_shakes_hands_is_one_failure_in_time(certs: Certs) -> None:
    failures: list[BaseException] = []
    clock = ManualClock()
    with Reactor(clock=clock) as net, socket.create_server((LOCAL, 0)) as silent:
        port = silent.getsockname()[1]
        net.connect_tcp(FrameRecorder, LOCAL, port, tls=certs.client(), on_failure=failures.append)
        run_until(net, lambda: net.stats()["connections"])
        clock.advance(10)
        run_until(net, lambda: failures)
        assert "handshake_timeout" in str(failures[0])
        assert net.stats()["connections"] == 0


def test_a_client_that_is_to_check_a_name_and_was_told_none_does_not_connect(
    net: Reactor, certs: Certs, tmp_path: Any
) -> None:
    """`connect_unix()` has no host to take it from, and ssl.SSLObject lets it pass, unlike ssl.SSLSocket."""
    net.listen_unix(Echo, tmp_path / "sock", tls=certs.server("other name"))
    client, failures = FrameRecorder(), []
    try:
        net.connect_unix(lambda: client, tmp_path / "sock", tls=certs.client(), on_failure=failures.append)
    except ValueError as exc:
        failures.append(exc)
    run_until(net, lambda: failures or client.made)
    assert not client.made
    assert "server_hostname" in str(failures[0])


def test_a_client_context_given_to_a_server_is_refused_at_once(net: Reactor, certs: Certs) -> None:
    with pytest.raises((ValueError, ssl.SSLError)):
        net.listen_tcp(Echo, LOCAL, 0, tls=certs.client())


def test_tls_goes_over_a_unix_socket(net: Reactor, certs: Certs, tmp_path: Any) -> None:
    path, client = tmp_path / "sock", FrameRecorder()
    net.listen_unix(Echo, path, tls=certs.server())
    net.connect_unix(lambda: client, path, tls=certs.client(), server_hostname="localhost")
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])


def test_closing_the_reactor_inside_a_handshake_leaves_nothing(certs: Certs) -> None:
    failures: list[BaseException] = []
    with Reactor() as net:
        server = net.listen_tcp(Echo, LOCAL, 0, tls=certs.server())
        port = server.addresses[0][1]
        net.connect_tcp(FrameRecorder, LOCAL, port, tls=certs.client(), on_failure=failures.append)
        run_until(net, lambda: net.stats()["connections"])
    assert failures == []


def test_a_connection_that_we_end_ourselves_is_no_failed_handshake(net: Reactor, certs: Certs) -> None:
    server = serve_tls(net, certs)
    with socket.create_connection(server.addresses[0]):
        run_until(net, lambda: server.connections)
        server.drain(0.01)
        run_until(net, lambda: not server.connections)
    assert net.stats()["handshake_failures"] == 0
