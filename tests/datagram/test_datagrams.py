"""The doors for datagrams, over real sockets."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from datagram.cast import DatagramEcho, Datagrams, address_of
from helpers import Fork, in_child, open_files, run_until
from testing.test_conformance import has_ipv6

from reactor import DatagramProtocol, Limits, Protocol, Reactor

pytestmark = pytest.mark.usefixtures("mechanism")
LOCAL = "127.0.0.1"
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


def exchange(net: Reactor, endpoint: Any, ours: Datagrams, data: bytes = b"hello") -> None:
    """See an echo come back."""
    before = len(ours.came)
    endpoint.sendto(data)
    run_until(net, lambda: len(ours.came) > before)
    assert ours.came[-1] == data


def turns(net: Reactor) -> None:
    """Make the turns in which what must not come would come."""
    for _ in range(8):
        net.run_once(0)


# --- the main job


def test_fifty_peers_get_their_datagrams_back(net: Reactor) -> None:
    server = net.bind_udp(DatagramEcho, LOCAL, 0)

    def ask(peer: Any) -> None:
        if len(peer.came) < 20:
            peer.transport.sendto(b"%d %d" % (peers.index(peer), len(peer.came)))

    peers = [Datagrams(made=ask, datagram=ask) for _ in range(50)]
    for peer in peers:
        net.connect_udp(lambda peer=peer: peer, *address_of(server))
    run_until(net, lambda: all(len(peer.came) == 20 for peer in peers))
    for number, peer in enumerate(peers):
        assert peer.came == [b"%d %d" % (number, each) for each in range(20)]
        assert set(peer.senders) == {address_of(server)}
    stats = net.stats()
    assert stats["endpoints"] == 51
    assert stats["datagrams_received"] == stats["datagrams_sent"] == 2000
    assert stats["bytes_received"] == stats["bytes_sent"]
    assert stats["datagrams_dropped"] == stats["datagrams_missed"] == stats["datagram_errors"] == 0


def test_counts_outlive_their_endpoints(net: Reactor) -> None:
    server, ours = net.bind_udp(DatagramEcho, LOCAL, 0), Datagrams()
    client = net.connect_udp(lambda: ours, *address_of(server))
    exchange(net, client, ours)
    before = net.stats()
    client.close()
    server.close()
    run_until(net, lambda: ours.ended)
    after = net.stats()
    assert after["endpoints"] == 0
    for name in ("datagrams_received", "datagrams_sent", "bytes_received", "bytes_sent"):
        assert before[name] == after[name] > 0


def test_a_protocol_of_asyncios_runs_unchanged(net: Reactor) -> None:
    class Theirs(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data, addr)

    ours = Datagrams()
    server = net.bind_udp(Theirs, LOCAL, 0)
    exchange(net, net.connect_udp(lambda: ours, *address_of(server)), ours)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what its queue had no room for")
def test_what_the_kernel_had_no_room_for_is_counted_to_the_datagram(net: Reactor) -> None:
    slow = Datagrams()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((LOCAL, 0))
    server = net.bind_udp(lambda: slow, None, 0, sock=sock)
    address = address_of(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(5000):
            peer.sendto(b"x" * 64, address)
    run_until(net, lambda: len(slow.came) + server.datagrams_missed == 5000)
    assert server.datagrams_missed > 0
    assert net.stats()["datagrams_missed"] == server.datagrams_missed


@needs_ipv6
@pytest.mark.parametrize("host", [LOCAL, "::1"])
def test_senders_are_told_as_python_writes_them(net: Reactor, host: str) -> None:
    ours = Datagrams()
    address = address_of(net.bind_udp(lambda: ours, host, 0))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    peers = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(10)]
    for _ in range(3):
        for peer in peers:
            peer.sendto(b"x", address)
    run_until(net, lambda: len(ours.came) == 30)
    assert ours.senders == [(host, *peer.getsockname()[1:]) for peer in peers] * 3
    for sender in ours.senders[:10]:
        ours.transport.sendto(b"answer", sender)
    net.run_once(0)
    for peer in peers:
        assert peer.recvfrom(100) == (b"answer", address)
        peer.close()


def test_more_senders_than_anybody_keeps_in_mind_are_told_apart(net: Reactor) -> None:
    server, sent = net.bind_udp(DatagramEcho, LOCAL, 0), {}
    peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(300)]
    for round_ in range(4):
        for number, peer in enumerate(peers):
            if round_ == 0:
                peer.bind((f"127.0.{number % 200}.{number // 200 + 1}", 0))
            sent[number] = b"%d of %d" % (round_, number)
            peer.sendto(sent[number], address_of(server))
            if number % 50 == 49:
                net.run_once(0)
                net.run_once(0)
        for number, peer in enumerate(peers):
            peer.settimeout(10)
            assert peer.recv(100) == sent[number]
    for peer in peers:
        peer.close()


def test_a_tuple_that_is_good_for_one_family_is_judged_anew_for_the_other(net: Reactor) -> None:
    four = net.bind_udp(Datagrams, LOCAL, 0)
    here = address_of(four)
    four.sendto(b"x", here)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        six = net.bind_udp(Datagrams, None, 0, sock=socket.socket(fileno=sock.detach()))
    with pytest.raises(ValueError, match="numeric IPv6"):
        six.sendto(b"x", here)


def test_a_flood_of_large_ones_leaves_others_their_turn(net: Reactor) -> None:
    ours, turns = Datagrams(), []
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((LOCAL, 0))
    endpoint = net.bind_udp(lambda: ours, None, 0, sock=sock)
    net.run_once(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(address_of(endpoint))
        for _ in range(6):
            for _ in range(100):
                peer.send(bytes(60_000))
            before = len(ours.came)
            net.run_once(0)
            turns.append(len(ours.came) - before)
            run_until(net, lambda: not waits(sock))
    assert min(turns[1:]) > 0
    assert max(turns[1:]) <= 5


def waits(sock: socket.socket) -> bool:
    """Whether something lies there unread."""
    return bool(select.select([sock], [], [], 0)[0])


# --- what is told


def test_a_port_that_nobody_listens_at_is_told_and_nothing_is_closed(net: Reactor) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOCAL, 0))
        address = sock.getsockname()
    ours = Datagrams()
    client = net.connect_udp(lambda: ours, *address)
    client.sendto(b"anybody?")
    run_until(net, lambda: ours.errors)
    assert isinstance(ours.errors[0], ConnectionRefusedError)
    assert str(address[1]) in str(ours.errors[0])
    server = net.bind_udp(DatagramEcho, *address)
    exchange(net, client, ours)
    server.close()


def test_a_receiver_that_can_not_be_reached_is_told_and_nothing_is_closed(net: Reactor) -> None:
    ours = Datagrams()
    endpoint = net.bind_udp(lambda: ours, LOCAL, 0)
    endpoint.sendto(b"x", (LOCAL, 0))
    run_until(net, lambda: ours.errors)
    assert isinstance(ours.errors[0], OSError)
    assert f"datagram of 1 bytes to ('{LOCAL}', 0)" in str(ours.errors[0])
    assert not endpoint.is_closing()


def test_a_broadcast_needs_to_be_asked_for(net: Reactor) -> None:
    ours, asked = Datagrams(), Datagrams()
    net.bind_udp(lambda: ours, "0.0.0.0", 0).sendto(b"x", ("255.255.255.255", 9))
    run_until(net, lambda: ours.errors)
    assert isinstance(ours.errors[0], PermissionError)
    server = net.bind_udp(lambda: asked, "0.0.0.0", 0, broadcast=True)
    server.sendto(b"to all", ("127.255.255.255", address_of(server)[1]))
    run_until(net, lambda: asked.came or asked.errors)
    assert asked.came == [b"to all"]


# --- arguments


ADDRESSED: list[dict[str, Any]] = [
    {"factory": None},
    {"factory": Datagrams()},
    {"limits": {}},
    {"broadcast": "yes"},
    {"sock": "sock"},
    {"port": "9000"},
    {"port": 70_000},
    {"host": 5},
]


@pytest.mark.parametrize("wrong", [*ADDRESSED, {"reuse_port": None}])
def test_bind_udp_names_what_is_wrong(net: Reactor, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    before = open_files()
    with pytest.raises((TypeError, ValueError), match=f"{name} is"):
        net.bind_udp(**{"factory": Datagrams, "host": LOCAL, "port": 0, **wrong})
    assert (open_files(), net.stats()["endpoints"]) == (before, 0)


@pytest.mark.parametrize("wrong", [*ADDRESSED, {"host": None}, {"on_failure": "print"}])
def test_connect_udp_names_what_is_wrong(net: Reactor, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    before = open_files()
    with pytest.raises((TypeError, ValueError), match=f"{name} is"):
        net.connect_udp(**{"factory": Datagrams, "host": LOCAL, "port": 9, **wrong})
    assert (open_files(), net.stats()["endpoints"]) == (before, 0)


@pytest.mark.parametrize("product", [None, Protocol(), Datagrams])
def test_a_product_that_takes_no_datagrams_names_its_factory(net: Reactor, product: Any) -> None:
    def the_factory() -> Any:
        return product

    with pytest.raises(TypeError, match="the_factory"):
        net.bind_udp(the_factory, LOCAL, 0)


@pytest.mark.parametrize("kind", [Datagrams, asyncio.DatagramProtocol])
def test_a_datagram_protocol_at_a_stream_door_is_named(net: Reactor, kind: type) -> None:
    class Mine(kind):  # type: ignore[misc, valid-type]
        def datagram_received(self, data: bytes, addr: Any) -> None: ...

    reports: list[Any] = []
    net.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = net.listen_tcp(Mine, LOCAL, 0)
    with socket.create_connection(server.addresses[0]):
        run_until(net, lambda: reports)
    assert "which takes datagrams" in str(reports[0])


def test_mistakes_in_a_datagram_protocols_class_are_named(net: Reactor) -> None:
    class Misspelt(DatagramProtocol):
        def datagram_recieved(self, data: bytes, addr: Any) -> None: ...

    class Async(DatagramProtocol):
        async def datagram_received(self, data: bytes, addr: Any) -> None:  # type: ignore[override]
            ...

    with pytest.raises(TypeError, match=r"is it meant to be datagram_received\(\)"):
        net.bind_udp(Misspelt, LOCAL, 0)
    with pytest.raises(TypeError, match="is async"):
        net.bind_udp(Async, LOCAL, 0)


@pytest.mark.parametrize(
    ("addr", "error", "text"),
    [
        (None, ValueError, "needs an addr"),
        ("127.0.0.1:9", TypeError, "a tuple"),
        (("127.0.0.1",), TypeError, r"\(host, port\)"),
        (("127.0.0.1", "9"), TypeError, r"\(host, port\)"),
        (("127.0.0.1", 70_000), ValueError, "0 to 65535"),
        (("localhost", 9), ValueError, "numeric IPv4 hosts alone"),
        (("127.0.0.1\0", 9), ValueError, "numeric IPv4"),
        (("::1", 9), ValueError, "numeric IPv4 hosts alone"),
    ],
)
def test_an_addr_that_can_not_be_is_refused_at_once(net: Reactor, addr: Any, error: Any, text: str) -> None:
    endpoint = net.bind_udp(Datagrams, LOCAL, 0)
    with pytest.raises(error, match=text):
        endpoint.sendto(b"x", addr)
    assert endpoint.get_write_buffer_size() == 0


def test_a_connected_endpoint_takes_no_other_receiver(net: Reactor) -> None:
    server, ours = net.bind_udp(DatagramEcho, LOCAL, 0), Datagrams()
    client = net.connect_udp(lambda: ours, *address_of(server))
    with pytest.raises(ValueError, match="is connected to"):
        client.sendto(b"x", (LOCAL, 9))
    client.sendto(b"x", address_of(server))
    run_until(net, lambda: ours.came)


# --- sockets


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells who isn't connected")
@pytest.mark.parametrize("host", [LOCAL, pytest.param("::1", marks=needs_ipv6)])
@pytest.mark.parametrize("count", [1, 40])
def test_who_is_not_connected_is_told_who_was_unreachable_and_sends_on(net: Reactor, host: str, count: int) -> None:
    gone = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    gone.bind((host, 0))
    nobody, ours, there = gone.getsockname(), Datagrams(), DatagramEcho()
    gone.close()
    address = net.bind_udp(lambda: there, host, 0).get_extra_info("sockname")
    endpoint = net.bind_udp(lambda: ours, host, 0)
    run_until(net, lambda: ours.calls and there.calls)
    for _ in range(count):
        endpoint.sendto(b"to nobody", nobody)
        endpoint.sendto(b"to somebody", address)
    run_until(net, lambda: len(ours.came) == count and ours.errors)
    turns(net)
    assert {type(each) for each in ours.errors} == {ConnectionRefusedError}
    assert all(f"an earlier datagram to {nobody!r}: Connection refused" in str(each) for each in ours.errors)
    assert net.stats()["datagram_errors"] == len(ours.errors) <= count
    assert select.select([endpoint.get_extra_info("socket").fileno()], [], [], 0)[0] == [], "or a loop would spin"
    endpoint.sendto(b"on", address)
    run_until(net, lambda: ours.came[-1] == b"on")
    assert (there.errors, ours.ended) == ([], False)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells who isn't connected")
def test_a_datagram_that_is_too_large_is_told_once_by_who_is_not_connected(net: Reactor) -> None:
    ours = Datagrams()
    endpoint = net.bind_udp(lambda: ours, LOCAL, 0)
    run_until(net, lambda: ours.calls)
    endpoint.sendto(bytes(70_000), (LOCAL, 9))
    run_until(net, lambda: ours.errors)
    turns(net)
    assert ["Message too long" in str(each) for each in ours.errors] == [True]


def test_a_port_in_use_is_refused_at_once_and_named(net: Reactor) -> None:
    address = address_of(net.bind_udp(Datagrams, LOCAL, 0))
    with pytest.raises(OSError, match="Address already in use") as caught:
        net.bind_udp(Datagrams, *address)
    assert f"can't bind to {LOCAL}:{address[1]}" in str(caught.value)


def test_a_port_is_shared_where_that_is_asked_for(net: Reactor) -> None:
    address = address_of(net.bind_udp(Datagrams, LOCAL, 0, reuse_port=True))
    assert address_of(net.bind_udp(Datagrams, *address, reuse_port=True)) == address


def test_no_host_means_all_of_ipv4s_addresses(net: Reactor) -> None:
    server, ours = net.bind_udp(DatagramEcho, None, 0), Datagrams()
    assert address_of(server)[0] == "0.0.0.0"
    exchange(net, net.connect_udp(lambda: ours, LOCAL, address_of(server)[1]), ours)


def test_a_host_that_does_not_resolve_is_refused_at_once(net: Reactor) -> None:
    with pytest.raises(socket.gaierror, match=r"can't resolve 'no-such-host\.invalid'"):
        net.bind_udp(Datagrams, "no-such-host.invalid", 0)


@pytest.mark.parametrize("as_descriptor", [False, True])
def test_a_socket_can_be_brought_along(net: Reactor, as_descriptor: bool) -> None:
    sock, ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), Datagrams()
    sock.bind((LOCAL, 0))
    address = sock.getsockname()
    server = net.bind_udp(DatagramEcho, None, 0, sock=sock.detach() if as_descriptor else sock)
    assert address_of(server) == address
    exchange(net, net.connect_udp(lambda: ours, *address), ours)


def test_a_socket_that_can_not_be_watched_is_told_and_closed(net: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(*args: Any) -> Any:
        raise OSError("no room to watch it")

    failures: list[BaseException] = []
    monkeypatch.setattr(net._selector, "register", register)
    endpoint = net.connect_udp(Datagrams, LOCAL, 9, on_failure=failures.append)
    net.run_once(0)
    assert endpoint.is_closing()
    assert "no room to watch it" in str(failures[0])


def test_the_socket_that_a_protocol_is_lent_can_not_be_closed(net: Reactor) -> None:
    endpoint = net.bind_udp(Datagrams, LOCAL, 0)
    sock = endpoint.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    with pytest.raises(AttributeError):
        sock.close()


def test_unix_receivers_that_do_not_read_hold_up_no_other(net: Reactor, tmp_path: Path) -> None:
    deaf, hearing = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    with deaf, hearing:
        for name, sock in (("deaf", deaf), ("hearing", hearing)):
            sock.bind(str(tmp_path / name))
            sock.setblocking(False)
        endpoint = net.bind_udp(Datagrams, None, 0, sock=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        for _ in range(2000):
            endpoint.sendto(b"x" * 1000, str(tmp_path / "deaf"))
        net.run_once(0)
        assert endpoint.get_write_buffer_size() > 0
        endpoint.sendto(b"not held up", str(tmp_path / "hearing"))
        net.run_once(0)
        assert hearing.recv(100) == b"not held up"
        turns = net.stats()["turns"]
        came = 0

        def read() -> None:
            nonlocal came
            came += len(deaf.recv(2000)) > 0

        net.add_reader(deaf, read)
        run_until(net, lambda: came == 2000)
        net.remove_reader(deaf)
        assert net.stats()["turns"] - turns < 10_000
        assert endpoint.get_write_buffer_size() == 0


@pytest.mark.parametrize("addr", [5, ["path"], ("host", 5), "\ud800", b"with a \0 inside", "x" * 200])
def test_a_unix_path_that_can_not_be_is_refused_or_told_and_holds_up_nobody(
    net: Reactor, tmp_path: Path, addr: Any
) -> None:
    ours, other = Datagrams(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with other:
        other.bind(str(tmp_path / "other"))
        other.setblocking(False)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        endpoint = net.bind_udp(lambda: ours, None, 0, sock=sock)
        try:
            endpoint.sendto(b"x", addr)
        except (TypeError, ValueError) as exc:
            assert "addr is" in str(exc)  # noqa: PT017
        else:
            run_until(net, lambda: ours.errors)
        endpoint.sendto(b"others", tmp_path / "other")
        net.run_once(0)
        assert other.recv(100) == b"others"


def test_a_receiver_that_is_waited_for_keeps_no_timer_behind_the_end(net: Reactor, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        endpoint = net.bind_udp(Datagrams, None, 0, sock=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        for _ in range(1000):
            endpoint.sendto(bytes(1000), str(tmp_path / "deaf"))
        net.run_once(0)
        assert net.stats()["timers"] > 0
        endpoint.sendto(b"x", str(tmp_path / "deaf"))
        endpoint.abort()
        net.run_once(0)
        stats = net.stats()
        assert (stats["timers"], stats["watched"], stats["endpoints"]) == (0, 0, 0)
        assert stats["datagrams_dropped"] + stats["datagrams_sent"] == 1001


# --- ends


def test_closing_the_reactor_ends_every_endpoint_and_leaves_no_descriptor() -> None:
    before, net = open_files(), Reactor()
    ours = [Datagrams() for _ in range(3)]
    for each in ours:
        net.bind_udp(lambda each=each: each, LOCAL, 0)
    net.run_once(0)
    net.connect_udp(Datagrams, "localhost", 9)  # which is being looked up
    net.close()
    assert [each.calls for each in ours] == [["made", "lost"]] * 3
    assert open_files() == before


def test_an_endpoint_can_not_be_made_while_the_reactor_closes() -> None:
    net, told = Reactor(), []

    def again(self: Any) -> None:
        try:
            net.bind_udp(Datagrams, LOCAL, 0)
        except RuntimeError as exc:
            told.append(str(exc))

    net.bind_udp(lambda: Datagrams(lost=again), LOCAL, 0)
    net.run_once(0)
    net.close()
    assert told == ["the loop is being closed"]


# --- forks


def test_a_child_closes_its_copies_and_says_nothing(net: Reactor) -> None:
    server, ours = net.bind_udp(DatagramEcho, LOCAL, 0), Datagrams()
    client = net.connect_udp(lambda: ours, *address_of(server))
    exchange(net, client, ours)

    def look() -> Any:
        client.sendto(b"of the child's")
        client.abort()
        return (len(open_files()) < before, ours.calls.count("lost"), client.is_closing())

    before = len(open_files())
    assert in_child(look) == "(True, 0, True)"
    exchange(net, client, ours)
    assert b"of the child's" not in ours.came


def test_a_child_that_returns_from_a_callback_leaves_the_endpoint_to_its_parent(net: Reactor) -> None:
    ours = Datagrams(datagram=lambda _: fork.called or fork())
    server = net.bind_udp(DatagramEcho, LOCAL, 0)
    client = net.connect_udp(lambda: ours, *address_of(server))
    with Fork() as fork:
        try:
            exchange(net, client, ours)
        except RuntimeError as exc:
            fork.said = exc
    assert "it was abandoned in a child of fork()" in fork.heard()
    exchange(net, client, ours, b"behind it")


def test_a_factory_that_forks_leaves_no_socket_in_the_child(net: Reactor) -> None:
    def factory() -> Datagrams:
        fork()
        return Datagrams()

    with Fork() as fork:
        try:
            net.bind_udp(factory, LOCAL, 0)
        except RuntimeError as exc:
            fork.said = exc
    assert "it was abandoned in a child of fork()" in fork.heard()
    assert net.stats()["endpoints"] == 1


# --- limits


def test_write_timeouts_are_in_the_stats(net: Reactor) -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours = Datagrams()
    with other:
        endpoint = net.bind_udp(lambda: ours, None, 0, sock=one, limits=Limits(write_timeout=0.02))
        for _ in range(1000):
            endpoint.sendto(bytes(1000))
        run_until(net, lambda: ours.errors)
        assert net.stats()["timeouts_write"] == 1
        assert net.stats()["datagrams_dropped"] == endpoint.datagrams_dropped > 0
