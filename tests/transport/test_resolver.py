"""Names to addresses."""

import errno
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import Any

import pytest
from helpers import Recorder, run_until

from reactor import Backoff, FramedProtocol, Limits, Reactor
from reactor.transport import resolver
from reactor.transport.address import TCPAddress
from reactor.transport.resolver import Endpoint, check_port, listen_on_all, resolve, resolve_now

Found = Future[list[Endpoint]]


def test_a_numeric_host_needs_no_thread(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "run_in_daemon", None)
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


# --- listening where not all of a host's addresses are there

ABSENT = "192.0.2.77"  # nobody's (RFC 5737)


def let_names_be(monkeypatch: pytest.MonkeyPatch, *hosts: str, family: int = socket.AF_INET) -> None:
    """Let every name have these addresses; what is no number has a family that no machine has."""

    def getaddrinfo(host: object, port: int, **_: object) -> list[Any]:
        families = {each: family if each[0].isdigit() else 9999 for each in hosts}
        return [(families[each], socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

    monkeypatch.setattr(resolver.socket, "getaddrinfo", getaddrinfo)


def hosts_of(socks: list[socket.socket]) -> list[str]:
    """Return where they listen, and close them."""
    hosts = [each.getsockname()[0] for each in socks]
    for each in socks:
        each.close()
    return hosts


@pytest.mark.parametrize("absent", [ABSENT, "no-such-family"])
@pytest.mark.parametrize("absent_comes_first", [True, False])
def test_an_address_that_is_not_there_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, absent: str, absent_comes_first: bool
) -> None:
    names = [absent, "127.0.0.1"] if absent_comes_first else ["127.0.0.1", absent]
    let_names_be(monkeypatch, *names, "127.0.0.2")
    socks = listen_on_all("name", 0, 5, False)
    assert len({each.getsockname()[1] for each in socks}) == 1
    assert hosts_of(socks) == ["127.0.0.1", "127.0.0.2"]


def test_a_server_listens_at_what_there_is(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    let_names_be(monkeypatch, ABSENT, "127.0.0.1")
    server = net.listen_tcp(FramedProtocol, "localhost", 0)
    assert [host for host, _ in server.addresses] == ["127.0.0.1"]


def test_where_no_address_is_there_all_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    let_names_be(monkeypatch, ABSENT, "no-such-family")
    with pytest.raises(OSError, match="can't listen on") as caught:
        listen_on_all("name", 0, 5, False)
    first, other = f"can't listen on {ABSENT}:0: ", "; can't listen on no-such-family:0: "
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert first in str(caught.value)
    assert other in str(caught.value)
    if sys.version_info >= (3, 11):
        assert [each.errno for each in caught.value.__cause__.exceptions] == [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT]


def test_one_address_that_is_not_there_is_its_own_error() -> None:
    with pytest.raises(
        OSError, match=rf"^\[Errno {errno.EADDRNOTAVAIL}\] can't listen on {ABSENT}:0: [^;]*$"
    ) as caught:
        listen_on_all(ABSENT, 0, 5, False)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("others", [["127.0.0.2"], [ABSENT], ["127.0.0.2", ABSENT]])
def test_a_port_in_use_is_never_passed_over(monkeypatch: pytest.MonkeyPatch, others: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        let_names_be(monkeypatch, *others, "127.0.0.1")
        with pytest.raises(OSError, match=f"can't listen on 127.0.0.1:{port}: Address already in use") as caught:
            listen_on_all("name", port, 5, False)
    assert caught.value.errno == errno.EADDRINUSE
    assert (f"{ABSENT}:{port}" in str(caught.value)) == (ABSENT in others)
    with socket.socket() as again:  # no SO_REUSEADDR: all have been let go
        again.bind(("127.0.0.2", port))


# --- a name server that is silent

PATIENCE = 20.0
EXIT = """
import socket, threading
from reactor import FramedProtocol, Reactor

asked = threading.Event()
socket.getaddrinfo = lambda *args, **kwargs: (asked.set(), threading.Event().wait())
with Reactor() as net:
    net.connect_tcp(FramedProtocol, "silent.invalid", 80)
    while not asked.is_set():
        net.run_once(0)
print("over")
"""


def test_the_process_ends_though_a_name_is_being_looked_up() -> None:
    done = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "", 0)


def test_a_name_is_found_while_blocking_calls_have_all_their_threads(net: Reactor) -> None:
    release, protocol = threading.Event(), Recorder()
    blocked = [net.run_in_thread(release.wait, PATIENCE) for _ in range(8)]
    server = net.listen_tcp(FramedProtocol, "127.0.0.1", 0)
    net.connect_tcp(lambda: protocol, "localhost", server.addresses[0][1], on_failure=pytest.fail)
    run_until(net, lambda: "made" in protocol.calls)
    release.set()
    assert all(future.result(PATIENCE) for future in blocked)


def test_who_gives_up_leaves_no_name_to_be_looked_up(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    release, ask, asked = threading.Event(), socket.getaddrinfo, list[str]()

    def wait_and_ask(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host.endswith(".invalid"):
            asked.append(host)
            release.wait(PATIENCE)
        return ask("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(resolver.socket, "getaddrinfo", wait_and_ask)
    failures, protocol = list[BaseException](), Recorder()
    give_up = {"limits": Limits(connect_timeout=0.001), "on_failure": failures.append}
    for _ in range(16):  # as many as are looked up at once
        net.connect_tcp(FramedProtocol, "silent.invalid", 80, **give_up)
    tries = Backoff(0.001, longest=0.001, attempts=10)
    net.connect_tcp(FramedProtocol, "late.invalid", 80, **give_up, retry=tries)
    run_until(net, lambda: len(failures) == 17)
    server = net.listen_tcp(FramedProtocol, "127.0.0.1", 0)
    net.connect_tcp(lambda: protocol, "found.invalid", server.addresses[0][1], on_failure=pytest.fail)
    release.set()
    run_until(net, lambda: "made" in protocol.calls)
    assert sorted(asked) == ["found.invalid"] + 16 * ["silent.invalid"]
