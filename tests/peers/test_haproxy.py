"""HAProxy in front of our servers: whom it says it comes for, its health checks, TLS on either side, restarts."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import bench_rolling
import pytest
import trustme
from helpers import Echo, run_until
from peers.conftest import missing
from peers.servers import program
from workers.conftest import ROOT, Service

from reactor import FramedProtocol, ProxyHeader, Reactor

LOCAL = "127.0.0.1"
PROXY = ProxyHeader(trusted=[LOCAL])
CAUSES = ("proxy_untrusted", "proxy_corrupt", "proxy_truncated", "timeouts_proxy")
CONFIG = """
global
    maxconn 1000
    log stdout format raw local0 notice
defaults
    mode tcp
    log global
    retries 10
    option redispatch 1
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen front
    bind fd@{fd} {bind}
    default-server check inter 50ms rise 1 fall 1 {server}
"""

Run = Callable[..., "HAProxy"]


class HAProxy:
    """A running HAProxy. It is given a socket that listens already: who comes before it runs waits in the queue."""

    def __init__(self, command: str, folder: Path, ports: list[int], bind: str = "", server: str = "") -> None:
        with socket.create_server((LOCAL, 0), backlog=100) as front:
            self.port = int(front.getsockname()[1])
            config = CONFIG.format(fd=front.fileno(), bind=bind, server=server)
            servers = "".join(f"    server s{number} {LOCAL}:{port}\n" for number, port in enumerate(ports))
            (folder / "haproxy.cfg").write_text(config + servers)
            self._process = subprocess.Popen(
                [command, "-db", "-f", str(folder / "haproxy.cfg")],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, pass_fds=[front.fileno()],
            )  # fmt: skip

    def until(self, *words: str) -> None:
        """Wait for a line of its log with all of these words."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if all(word in line for word in words):
                return
        raise AssertionError(f"HAProxy ended and didn't say {words}")

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


@pytest.fixture
def haproxy(folder: Path) -> Iterator[Run]:
    command = program("haproxy")
    if command is None:
        missing("HAProxy isn't installed: Debian's haproxy has it")
    with ExitStack() as running:

        def run(ports: list[int], **options: str) -> HAProxy:
            started = HAProxy(command, folder, ports, **options)
            running.callback(started.close)
            return started

        yield run


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


class Asking(FramedProtocol):
    """A client that sends one message, and keeps the answer."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.name: Any = None

    def connection_made(self, transport: Any) -> None:
        self.name = transport.get_extra_info("sockname")
        self.send(b"hello")

    def message_received(self, message: bytes) -> None:
        self.answers.append(message)


def ask_through(net: Reactor, port: int, **tls: Any) -> Asking:
    """Return a client that has had its answer."""
    client = Asking()
    net.connect_tcp(lambda: client, LOCAL, port, **tls)
    run_until(net, lambda: client.answers)
    assert client.answers == [b"hello"]
    return client


def port_of(server: Any) -> int:
    return int(server.addresses[0][1])


def spoken(echo: type[Echo]) -> Any:
    """Return the connection that said something: health checks say nothing."""
    return next(each.transport for each in echo.made_here if each.messages)


def checks(echo: type[Echo]) -> list[Any]:
    """Return what is known of connections that came and said nothing."""
    return [each for each in echo.made_here if not each.messages]


@pytest.mark.parametrize(
    ("options", "version", "family"),
    [
        ("send-proxy", 1, "TCP4"),
        ("send-proxy-v2", 2, "TCP4"),
        ("send-proxy-v2 proxy-v2-options crc32c,unique-id", 2, "TCP4"),
    ],
)
def test_we_know_whom_it_comes_for_and_its_health_checks_are_its_own(
    net: Reactor, echo: type[Echo], twin: ModuleType, haproxy: Run, options: str, version: int, family: str
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY)
    front = haproxy([port_of(server)], server=options)
    client = ask_through(net, front.port)
    transport = spoken(echo)
    info = transport.get_extra_info("proxy")
    assert transport.get_extra_info("peername") == client.name
    assert (info.version, info.family, info.destination) == (version, family, (LOCAL, front.port))
    run_until(net, lambda: len(checks(echo)) > 2)
    families = {each.transport.get_extra_info("proxy").family for each in checks(echo)}
    assert families <= {"UNKNOWN", "LOCAL", "TCP4"}
    assert [name for name in CAUSES if net.stats()[name]] == []


def test_who_wants_no_header_is_told_so_by_his_first_message(net: Reactor, echo: type[Echo], haproxy: Run) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY)
    client = Asking()
    net.connect_tcp(lambda: client, LOCAL, haproxy([port_of(server)]).port)
    run_until(net, lambda: net.stats()["proxy_corrupt"] == 1)
    assert client.answers == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


def test_tls_may_end_there(
    net: Reactor, echo: type[Echo], twin: ModuleType, haproxy: Run, folder: Path, authority: trustme.CA,
    trusting: ssl.SSLContext,
) -> None:  # fmt: skip
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "cert.pem"))
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY)
    options = "send-proxy-v2-ssl proxy-v2-options crc32c,authority"
    front = haproxy([port_of(server)], bind=f"ssl crt {folder}/cert.pem", server=options)
    client = ask_through(net, front.port, tls=trusting, server_hostname="localhost")
    info = spoken(echo).get_extra_info("proxy")
    assert spoken(echo).get_extra_info("peername") == client.name
    assert info.tlv(0x02) == b"localhost"  # PP2_TYPE_AUTHORITY
    assert info.tlv(0x20)[0] & 1  # PP2_TYPE_SSL: PP2_CLIENT_SSL


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
def test_tls_may_end_here(
    net: Reactor, echo: type[Echo], twin: ModuleType, haproxy: Run, authority: trustme.CA, trusting: ssl.SSLContext,
    options: str,
) -> None:  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = net.listen_tcp(echo, LOCAL, 0, tls=context, proxy=PROXY)
    front = haproxy([port_of(server)], server=options)
    client = ask_through(net, front.port, tls=trusting, server_hostname="localhost")
    assert spoken(echo).get_extra_info("peername") == client.name
    assert spoken(echo).get_extra_info("cipher")
    assert [name for name in CAUSES if net.stats()[name]] == []


def test_two_servers_are_restarted_in_turn_under_load(haproxy: Run, folder: Path) -> None:
    (folder / "app.py").write_text(bench_rolling.APP)
    with ExitStack() as stack:

        def start(address: str) -> tuple[Service, str]:
            service = Service(folder, "--bind", address, "--workers", "1")
            stack.callback(service.close)
            return service, service.ready()

        servers = [start(f"{LOCAL}:0") for _ in range(2)]
        front = haproxy([int(address.rpartition(":")[2]) for _, address in servers])
        command = [sys.executable, bench_rolling.__file__, "clients", f"{LOCAL}:{front.port}", "20"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        clients = stack.enter_context(subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True))
        assert clients.stdout is not None
        assert clients.stdout.readline() == "going\n"
        for _ in range(2):
            for number, (service, address) in enumerate(servers):
                service.signal(signal.SIGTERM)
                front.until(f"s{number} is DOWN")
                assert service.ended() == 0
                servers[number] = start(address)
                front.until(f"s{number} is UP")
        clients.send_signal(signal.SIGTERM)
        seen = bench_rolling.json.loads(clients.stdout.read())
    assert (seen["wrong"], seen["refused"]) == (0, 0)
    assert seen["came_back"] > 0
    assert bench_rolling.lost(seen["acknowledged"], folder / "books") == 0
