"""Multicast over the loopback: groups, sources, and how datagrams to groups leave."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest
from datagram.cast import Datagrams, address_of
from helpers import run_until

from reactor import DatagramEndpoint, Reactor

pytestmark = pytest.mark.usefixtures("mechanism")
LOCAL, GROUP, OTHER = "127.0.0.1", "239.77.1.1", "239.77.1.2"
GROUP6 = "ff11::77"
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"
linux = pytest.mark.skipif(sys.platform != "linux", reason="source-specific groups are Linux's alone")


def probe_six() -> tuple[str, str] | None:
    """Return an interface on which IPv6 groups work, and the address that it sends from."""
    for index, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            try:
                packed = index.to_bytes(4, sys.byteorder)
                sock.setsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(sock.family, GROUP6) + packed
                )
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, packed)
                sock.bind(("::", 0))
                sock.settimeout(0.2)
                sock.sendto(b"x", (GROUP6, sock.getsockname()[1]))
                return name, sock.recvfrom(1)[1][0].partition("%")[0]
            except OSError:
                continue
    return None


SIX = probe_six()


def listener(net: Reactor, host: str = "0.0.0.0", port: int = 0) -> tuple[Datagrams, DatagramEndpoint]:
    ours = Datagrams()
    return ours, net.bind_udp(lambda: ours, host, port, reuse_port=True)


def sender(net: Reactor, host: str = LOCAL, interface: str = LOOPBACK) -> DatagramEndpoint:
    endpoint = net.bind_udp(Datagrams, host, 0)
    endpoint.set_multicast(interface=interface)
    return endpoint


def heard(net: Reactor, ours: Datagrams, *marks: Datagrams) -> list[bytes]:
    """Return what came, once everybody of `marks` has heard something."""
    run_until(net, lambda: all(each.came for each in marks or (ours,)))
    for _ in range(5):
        net.run_once(0.001)
    return ours.came


@pytest.mark.parametrize("interface", [LOOPBACK, socket.if_nametoindex(LOOPBACK), LOCAL])
def test_who_has_joined_gets_what_is_sent_to_the_group_until_it_leaves(net: Reactor, interface: Any) -> None:
    ours, endpoint = listener(net)
    endpoint.join_group(GROUP, interface)
    port = address_of(endpoint)[1]
    one = sender(net)
    one.sendto(b"to the group", (GROUP, port))
    assert heard(net, ours) == [b"to the group"]
    endpoint.leave_group(GROUP, interface)
    one.sendto(b"too late", (GROUP, port))
    one.sendto(b"to us", (LOCAL, port))
    run_until(net, lambda: b"to us" in ours.came)
    assert b"too late" not in ours.came


def test_what_others_have_joined_does_not_come(net: Reactor) -> None:
    ours, endpoint = listener(net)
    endpoint.join_group(GROUP, LOOPBACK)
    theirs, other = listener(net, port=address_of(endpoint)[1])
    other.join_group(OTHER, LOOPBACK)
    one, port = sender(net), address_of(endpoint)[1]
    one.sendto(b"to the other group", (OTHER, port))
    one.sendto(b"to the group", (GROUP, port))
    assert heard(net, ours, ours, theirs) == [b"to the group"]
    assert theirs.came == [b"to the other group"]


@linux
def test_of_a_group_one_source_alone_can_be_joined(net: Reactor) -> None:
    ours, endpoint = listener(net)
    endpoint.join_group(GROUP, LOOPBACK, source="127.0.0.2")
    port = address_of(endpoint)[1]
    wanted, unwanted = sender(net, "127.0.0.2"), sender(net, "127.0.0.3")
    unwanted.sendto(b"unwanted", (GROUP, port))
    wanted.sendto(b"wanted", (GROUP, port))
    assert heard(net, ours) == [b"wanted"]
    endpoint.leave_group(GROUP, LOOPBACK, source="127.0.0.2")
    wanted.sendto(b"too late", (GROUP, port))
    wanted.sendto(b"to us", (LOCAL, port))
    run_until(net, lambda: b"to us" in ours.came)
    assert b"too late" not in ours.came


@pytest.mark.skipif(SIX is None, reason="no interface of this machine has IPv6 groups")
@pytest.mark.parametrize("of_one_source", [False, pytest.param(True, marks=linux)])
def test_groups_of_ipv6(net: Reactor, of_one_source: bool) -> None:
    assert SIX is not None
    interface, source = SIX
    ours, endpoint = listener(net, "::")
    endpoint.join_group(GROUP6, interface, source=source if of_one_source else None)
    port = address_of(endpoint)[1]
    one = sender(net, "::", interface)
    one.set_multicast(ttl=3, loop=True)
    one.sendto(b"to the group", (GROUP6, port))
    assert heard(net, ours) == [b"to the group"]
    endpoint.leave_group(GROUP6, interface, source=source if of_one_source else None)


def test_settings_reach_the_socket(net: Reactor) -> None:
    endpoint = net.bind_udp(Datagrams, LOCAL, 0)
    sock = endpoint.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 1
    endpoint.set_multicast(ttl=7, loop=False)
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 7
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP) == 0


@pytest.mark.parametrize(
    ("call", "args", "error", "text"),
    [
        ("join_group", ("localhost",), ValueError, "group is 'localhost'"),
        ("join_group", (GROUP6,), ValueError, "numeric IPv4"),
        ("join_group", (LOCAL,), OSError, f"can't join {LOCAL}"),
        ("leave_group", (GROUP,), OSError, f"can't leave {GROUP}"),
        ("join_group", (GROUP, "no-such"), OSError, "there is no interface 'no-such'"),
        ("join_group", (GROUP, 1.5), TypeError, "interface is 1.5"),
        ("join_group", (GROUP, -1), ValueError, "an index is 0 or more"),
        ("set_multicast", (256,), ValueError, "ttl is 256"),
        ("set_multicast", (None, "yes"), TypeError, "loop is 'yes'"),
    ],
)
def test_what_is_wrong_is_named(net: Reactor, call: str, args: Any, error: Any, text: str) -> None:
    endpoint = net.bind_udp(Datagrams, LOCAL, 0)
    with pytest.raises(error, match=text):
        getattr(endpoint, call)(*args)


@linux
def test_a_source_that_can_not_be_is_named(net: Reactor) -> None:
    endpoint = net.bind_udp(Datagrams, LOCAL, 0)
    with pytest.raises(ValueError, match="source is 'nobody'"):
        endpoint.join_group(GROUP, source="nobody")
    with pytest.raises(ValueError, match="a name or an index"):
        endpoint.join_group(GROUP, LOCAL, source=LOCAL)


def test_an_endpoint_that_is_over_joins_nothing(net: Reactor) -> None:
    endpoint = net.bind_udp(Datagrams, LOCAL, 0)
    endpoint.close()
    net.run_once(0)
    with pytest.raises((OSError, RuntimeError)):
        endpoint.join_group(GROUP)
