"""Who comes through a proxy: whose connection it is, who is refused and for what, and that nobody else is touched."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from headers import CRC, NOOP, SIGNATURE, TCP6, UNIX, binary, four, line, six, tlv, unix
from helpers import Echo, FrameRecorder, Recorder, in_child, run_until
from transport.conftest import Certs

from reactor import Framing, Limits, ProxyHeader, Reactor
from reactor.server import Drained, Server
from reactor.testing import ManualClock

LOCAL = "127.0.0.1"
PROXY = ProxyHeader(trusted=[LOCAL])
CAUSES = ("proxy_untrusted", "proxy_corrupt", "proxy_truncated", "timeouts_proxy")
HEADER = line("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443")
HELLO = Framing().encode(b"hello")
needs_loopback = pytest.mark.skipif(sys.platform != "linux", reason="the loopback has one address here")

Dial = Callable[..., socket.socket]


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    """A reactor over real sockets, on a clock that is told the time."""
    with Reactor(clock=clock) as net:
        yield net


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Return what connects a plain socket to a server and sends it some bytes."""
    socks: list[socket.socket] = []

    def dial(server: Server, data: bytes = b"", host: str = LOCAL) -> socket.socket:
        address = server.addresses[0]
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        socks.append(sock)
        sock.settimeout(20)
        if not isinstance(address, str):
            sock.bind((host, 0))
        sock.connect(address)
        sock.sendall(data)
        return sock

    yield dial
    for sock in socks:
        sock.close()


def causes(net: Reactor) -> dict[str, int]:
    """Return what was counted, and is more than none."""
    return {name: count for name in CAUSES if (count := net.stats()[name])}


def answer(net: Reactor, sock: socket.socket, size: int = len(HELLO)) -> bytes:
    """Return so many bytes of what a peer is sent; less at the end."""
    sock.setblocking(False)
    found = bytearray()

    def complete() -> bool:
        try:
            data = sock.recv(size - len(found))
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        found.extend(data)
        return not data or len(found) == size

    run_until(net, complete)
    return bytes(found)


def is_reset(net: Reactor, sock: socket.socket) -> bool:
    sock.setblocking(False)
    seen: list[bool] = []

    def ended() -> bool:
        try:
            seen.append(sock.recv(1) != b"")
        except BlockingIOError:
            return False
        except ConnectionResetError:
            seen.append(True)
        return True

    run_until(net, ended)
    return seen[0]


# --- who comes is who the header says


@pytest.mark.parametrize(
    ("header", "peername", "family"),
    [
        (HEADER, ("192.0.2.1", 4711), "TCP4"),
        (line("PROXY TCP6 2001:db8::1 ::1 4711 443"), ("2001:db8::1", 4711, 0, 0), "TCP6"),
        (binary(four(), crc=True), ("192.0.2.1", 4711), "TCP4"),
        (binary(six(), TCP6, tlv(0xEE, bytes(60_000))), ("2001:db8::1", 4711, 0, 0), "TCP6"),
        (binary(unix(), UNIX), "/run/client", "UNIX"),
        (line("PROXY UNKNOWN"), None, "UNKNOWN"),
        (binary(b"", 0, command=0x20), None, "LOCAL"),
    ],
    ids=["v1 IPv4", "v1 IPv6", "v2 IPv4", "v2 IPv6, long", "v2 Unix", "v1 unknown", "v2 local"],
)
def test_the_peer_is_whom_the_proxy_came_for(
    net: Reactor, echo: type[Echo], dial: Dial, twin: ModuleType, header: bytes, peername: Any, family: str
) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY)
    sock = dial(server, header + HELLO)
    assert answer(net, sock) == HELLO
    transport = echo.made_here[0].transport
    assert transport.get_extra_info("peername") == (peername or sock.getsockname())
    info = transport.get_extra_info("proxy")
    assert (info.family, info.proxy) == (family, sock.getsockname())
    assert transport.get_extra_info("sockname") == server.addresses[0]
    assert causes(net) == {}


def test_without_a_proxy_there_is_nothing_to_tell(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    sock = dial(net.listen_tcp(echo, LOCAL, 0), HELLO)
    assert answer(net, sock) == HELLO
    assert echo.made_here[0].transport.get_extra_info("proxy", "nothing") == "nothing"


def test_at_a_unix_socket_who_may_open_it_is_trusted(
    net: Reactor, echo: type[Echo], dial: Dial, tmp_path: Path
) -> None:
    server = net.listen_unix(echo, tmp_path / "socket", proxy=ProxyHeader(trusted=[]))
    assert answer(net, dial(server, HEADER + HELLO)) == HELLO
    assert echo.made_here[0].transport.get_extra_info("peername") == ("192.0.2.1", 4711)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_over_ipv6_it_is_the_same(net: Reactor, echo: type[Echo]) -> None:
    try:
        server = net.listen_tcp(echo, "::1", 0, proxy=ProxyHeader(trusted=["::1"]))
    except OSError as exc:
        pytest.skip(f"this machine has no IPv6: {exc}")
    with socket.create_connection(server.addresses[0][:2], timeout=20) as sock:
        sock.sendall(binary(six(), TCP6, crc=True) + HELLO)
        assert answer(net, sock) == HELLO
    assert echo.made_here[0].transport.get_extra_info("peername") == ("2001:db8::1", 4711, 0, 0)
    assert echo.made_here[0].transport.get_extra_info("proxy").proxy[0] == "::1"


def test_header_and_message_may_come_a_byte_at_a_time(
    net: Reactor, echo: type[Echo], dial: Dial, twin: ModuleType
) -> None:
    sock = dial(net.listen_tcp(echo, LOCAL, 0, proxy=PROXY))
    for byte in binary(four(), crc=True) + HELLO:
        sock.sendall(bytes([byte]))
        net.run_once(0)
    assert answer(net, sock) == HELLO
    assert echo.made_here[0].messages == [b"hello"]


@pytest.mark.parametrize("header", [HEADER, binary(four(), tlvs=tlv(NOOP, bytes(300)), crc=True)])
def test_header_client_hello_and_first_message_may_come_at_once(
    net: Reactor, echo: type[Echo], dial: Dial, twin: ModuleType, header: bytes
) -> None:
    certs = Certs()
    server = net.listen_tcp(echo, LOCAL, 0, tls=certs.server(), proxy=PROXY)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = certs.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    sock = dial(server, header + outgoing.read())

    def plain() -> bytes:
        try:
            incoming.write(sock.recv(65536))
        except BlockingIOError:
            return b""
        try:
            if not session.selected_alpn_protocol() and session.version() is None:
                session.do_handshake()
                session.write(HELLO)
            return session.read(100)
        except ssl.SSLWantReadError:
            return b""
        finally:
            if data := outgoing.read():
                sock.sendall(data)

    found: list[bytes] = []
    sock.setblocking(False)
    run_until(net, lambda: found.append(plain()) or any(found))
    assert b"".join(found) == HELLO
    assert echo.made_here[0].transport.get_extra_info("peername") == ("192.0.2.1", 4711)
    assert echo.made_here[0].transport.get_extra_info("proxy").family == "TCP4"


def test_a_protocol_of_bytes_is_given_what_is_behind_the_header(net: Reactor, dial: Dial, twin: ModuleType) -> None:
    ours = Recorder()
    sock = dial(net.listen_tcp(lambda: ours, LOCAL, 0, proxy=PROXY), HEADER + b"all the rest")
    run_until(net, lambda: ours.data == b"all the rest")
    sock.close()
    run_until(net, lambda: ours.ended)
    assert ours.lost is None


def test_nobody_is_told_of_a_connection_whose_header_has_not_come(net: Reactor, dial: Dial) -> None:
    made: list[Any] = []
    server = net.listen_tcp(lambda: made.append(1) or FrameRecorder(), LOCAL, 0, proxy=PROXY)
    sock = dial(server, HEADER[:-1])
    for _ in range(10):
        net.run_once(0.001)
    assert (made, server.connections, net.stats()["accepted"]) == ([], 0, 0)
    sock.sendall(HEADER[-1:])
    run_until(net, lambda: made)
    assert (server.connections, net.stats()["accepted"]) == (1, 1)


# --- who is refused


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (HELLO, "proxy_corrupt"),
        (b"GET / HTTP/1.1\r\n\r\n", "proxy_corrupt"),
        (line("PROXY TCP4 192.0.2.1 192.0.2.2 4711 99999"), "proxy_corrupt"),
        (b"PROXY UNKNOWN " + b"x" * 200, "proxy_corrupt"),
        (binary(four(), tlvs=tlv(CRC, bytes(4))), "proxy_corrupt"),
        (SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), "proxy_corrupt"),
        (b"", "proxy_truncated"),
        (HEADER[:-1], "proxy_truncated"),
        (binary(four())[:-1], "proxy_truncated"),
    ],
)
def test_who_shows_no_good_header_is_reset_for_one_counted_cause(
    net: Reactor, dial: Dial, caplog: pytest.LogCaptureFixture, data: bytes, cause: str
) -> None:
    server = net.listen_tcp(FrameRecorder, LOCAL, 0, proxy=PROXY)
    with caplog.at_level(logging.WARNING):
        sock = dial(server, data)
        if cause == "proxy_truncated":
            sock.shutdown(socket.SHUT_WR)
        assert is_reset(net, sock)
    assert causes(net) == {cause: 1}
    assert net.stats()["accepted"] == net.stats()["timers"] == server.connections == 0
    assert [record.getMessage().partition(", the last")[0] for record in caplog.records] == [
        "1 more refused for their PROXY headers"
    ]


def test_a_peer_that_resets_is_counted_once(net: Reactor, dial: Dial) -> None:
    server = net.listen_tcp(FrameRecorder, LOCAL, 0, proxy=PROXY)
    sock = dial(server, HEADER[:-1])
    net.run_once(0.1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    run_until(net, lambda: causes(net))
    assert causes(net) == {"proxy_truncated": 1}


@needs_loopback
def test_who_is_not_trusted_is_not_even_read(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY)
    assert is_reset(net, dial(server, HEADER + HELLO, host="127.0.0.2"))
    assert causes(net) == {"proxy_untrusted": 1}
    assert answer(net, dial(server, HEADER + HELLO)) == HELLO


@pytest.mark.parametrize("sent", [b"", HEADER[:-1], binary(four())[:20]])
def test_who_takes_too_long_is_reset_however_he_trickles(
    told: Reactor, clock: ManualClock, dial: Dial, sent: bytes
) -> None:
    server = told.listen_tcp(FrameRecorder, LOCAL, 0, proxy=ProxyHeader(trusted=[LOCAL], timeout=2))
    sock = dial(server)
    told.run_once(0.1)
    for byte in sent:
        sock.sendall(bytes([byte]))
        clock.advance(1.9 / len(sent))
        told.run_once(0)
    assert causes(told) == {}
    clock.advance(2)
    assert is_reset(told, sock)
    assert causes(told) == {"timeouts_proxy": 1}
    assert told.stats()["timers"] == 0


def test_what_came_in_time_counts_though_the_loop_stood_still(told: Reactor, clock: ManualClock, dial: Dial) -> None:
    ours = FrameRecorder()
    server = told.listen_tcp(lambda: ours, LOCAL, 0, proxy=PROXY)
    sock = dial(server)
    told.run_once(0.1)
    sock.sendall(HEADER + HELLO)
    clock.advance(100)
    run_until(told, lambda: ours.messages)
    assert causes(told) == {}


def test_the_first_message_is_waited_for_from_the_header_on(told: Reactor, clock: ManualClock, dial: Dial) -> None:
    ours = FrameRecorder()
    server = told.listen_tcp(lambda: ours, LOCAL, 0, proxy=PROXY, limits=Limits(first_message_timeout=5))
    dial(server, HEADER)
    run_until(told, lambda: ours.made)
    clock.advance(5)
    run_until(told, lambda: ours.ended)
    assert told.stats()["timeouts_first_message"] == 1


# --- places


def test_who_waits_for_his_header_has_a_place_and_gives_it_back(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY, limits=Limits(max_connections=2))
    waiting = [dial(server), dial(server, HEADER[:9])]
    late = dial(server, HEADER + HELLO)
    for _ in range(10):
        net.run_once(0.001)
    assert net.stats()["accepted"] == 0
    waiting[0].close()
    assert answer(net, late) == HELLO
    assert causes(net) == {"proxy_truncated": 1}
    last = dial(server, HEADER + HELLO)
    waiting[1].sendall(HEADER[9:] + HELLO)
    assert answer(net, waiting[1]) == HELLO
    late.close()
    assert answer(net, last) == HELLO


def test_connections_are_counted_by_the_client_not_by_the_proxy(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY, limits=Limits(max_per_peer=1))
    others = [dial(server, line(f"PROXY TCP4 192.0.2.{n} 192.0.2.2 1 2") + HELLO) for n in range(5)]
    assert [answer(net, each) for each in others] == [HELLO] * 5
    assert is_reset(net, dial(server, line("PROXY TCP4 192.0.2.3 192.0.2.2 1 2") + HELLO))
    assert net.stats()["refused_max_per_peer"] == 1
    others[3].close()
    run_until(net, lambda: server.connections == 4)
    assert answer(net, dial(server, line("PROXY TCP4 192.0.2.3 192.0.2.2 1 2") + HELLO)) == HELLO


def test_a_full_server_that_closes_refuses_before_the_header(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    limits = Limits(max_connections=1, when_full="close")
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY, limits=limits)
    assert answer(net, dial(server, HEADER + HELLO)) == HELLO
    assert is_reset(net, dial(server, HEADER + HELLO))
    assert net.stats()["refused_max_connections"] == 1


# --- ends


def test_a_drain_takes_who_shows_his_header_and_answers_what_came_with_it(
    net: Reactor, echo: type[Echo], dial: Dial
) -> None:
    server, done = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY), []
    sock = dial(server, HEADER[:5])
    net.run_once(0.1)
    server.drain(60, done.append)
    for _ in range(10):
        net.run_once(0.001)
    assert done == []
    sock.sendall(HEADER[5:] + HELLO)
    assert answer(net, sock) == HELLO
    run_until(net, lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


def test_a_drain_is_over_when_the_last_who_waits_is_refused_or_its_time_is(told: Reactor, clock: ManualClock) -> None:
    done: list[Drained] = []
    for seconds in (3, 1):
        server = told.listen_tcp(FrameRecorder, LOCAL, 0, proxy=PROXY)
        with socket.create_connection(server.addresses[0], timeout=20) as sock:
            told.run_once(0.1)
            server.drain(seconds, done.append)
            clock.advance(seconds)
            assert is_reset(told, sock)
            run_until(told, lambda: done)
        assert done.pop() == Drained(0, 0)
    assert causes(told) == {"timeouts_proxy": 1}


def test_close_ends_who_waits_and_counts_nothing_against_anybody(dial: Dial) -> None:
    with Reactor() as net:
        server = net.listen_tcp(FrameRecorder, LOCAL, 0, proxy=PROXY)
        sock = dial(server, HEADER[:5])
        net.run_once(0.1)
    assert causes(net) == {}
    with pytest.raises(ConnectionResetError):
        sock.recv(1)


def test_in_a_child_of_fork_who_waits_is_the_parents(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY)
    sock = dial(server, HEADER[:5])
    net.run_once(0.1)
    assert in_child(net.close) == "None"
    sock.sendall(HEADER[5:] + HELLO)
    assert answer(net, sock) == HELLO


def test_behind_an_exception_out_of_nowhere_who_waits_is_waited_for(net: Reactor, echo: type[Echo], dial: Dial) -> None:
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY, limits=Limits(max_connections=2))
    sock = dial(server, HEADER[:5])
    net.run_once(0.1)
    server.mend()
    sock.sendall(HEADER[5:] + HELLO)
    assert answer(net, sock) == HELLO
    server.mend()
    sock.close()
    run_until(net, lambda: not server.connections)
    server.close()


def test_a_factory_that_fails_gives_the_place_back(net: Reactor, dial: Dial) -> None:
    reports: list[Any] = []
    net.set_exception_handler(lambda loop, context: reports.append(context["exception"]))
    server = net.listen_tcp(lambda: 1 / 0, LOCAL, 0, proxy=PROXY)
    assert is_reset(net, dial(server, HEADER))
    assert [type(each) for each in reports] == [ZeroDivisionError]
    server.close()
    assert net.stats()["servers"] == 0


# --- hostile headers


def hostile(chance: random.Random) -> tuple[bytes, str]:
    """Return bytes that are no header, and for what they are refused."""
    kind = chance.randrange(5)
    good = chance.choice([HEADER, binary(four(), crc=True), binary(six(), TCP6), binary(unix(), UNIX)])
    if kind == 0:
        return good[: chance.randrange(len(good))], "proxy_truncated"
    if kind == 1:
        return b"PROXY UNKNOWN " + b"x" * chance.randrange(94, 2000), "proxy_corrupt"
    if kind == 2:
        at = chance.randrange(12)
        return good[:at] + bytes([good[at] ^ chance.randrange(1, 256)]) + good[at + 1 :], "proxy_corrupt"
    if kind == 3:
        header = bytearray(binary(four(), tlvs=tlv(0xEE, chance.randbytes(9)), crc=True))
        header[chance.randrange(31, 40)] ^= 1 << chance.randrange(8)
        return bytes(header), "proxy_corrupt"
    return good, "proxy_untrusted"


@needs_loopback
def test_of_ten_thousand_hostile_headers_each_ends_for_one_cause_and_nobody_else_is_touched(
    net: Reactor, echo: type[Echo], dial: Dial
) -> None:
    chance, expected = random.Random(15), dict.fromkeys(CAUSES, 0)
    server = net.listen_tcp(echo, LOCAL, 0, proxy=PROXY, limits=Limits(first_message_timeout=None))
    neighbour = dial(server, HEADER + HELLO)
    assert answer(net, neighbour) == HELLO
    for count in range(100):
        storm = []
        for _ in range(100):
            data, cause = hostile(chance)
            expected[cause] += 1
            storm.append(dial(server, data, host="127.0.0.2" if cause == "proxy_untrusted" else LOCAL))
            if cause == "proxy_truncated":
                storm[-1].shutdown(socket.SHUT_WR)
        run_until(net, lambda: sum(causes(net).values()) >= sum(expected.values()))
        assert all(is_reset(net, each) for each in storm)
        for each in storm:
            each.close()
        neighbour.sendall(HELLO)
        assert answer(net, neighbour) == HELLO, f"behind {count} storms"
    assert causes(net) == {name: count for name, count in expected.items() if count}
    assert (server.connections, net.stats()["accepted"], net.stats()["timers"]) == (1, 1, 0)
    assert echo.made_here[0].messages == [b"hello"] * 101
