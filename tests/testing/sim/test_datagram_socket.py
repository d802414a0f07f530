"""SimDatagramSocket: a datagram comes whole, twice, late or never; who is connected hears of a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import DatagramProtocol
from reactor.testing import SimHost, SimNetwork


class Collector(DatagramProtocol):
    def __init__(self) -> None:
        self.came: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


class Pair:
    """Host "one", whose `collector` is bound to port 53, and host "other"."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.one, self.other = network.host("one"), network.host("other")
        self.collector = Collector()
        self.one.reactor.bind_udp(lambda: self.collector, None, 53)

    def connected(self, host: SimHost, port: int = 53) -> tuple[Collector, Any]:
        collector = Collector()
        return collector, host.reactor.connect_udp(lambda: collector, "one", port)

    @property
    def datagrams(self) -> list[bytes]:
        return [data for data, _ in self.collector.came]


@pytest.fixture
def pair(network: SimNetwork) -> Pair:
    return Pair(network)


def test_a_datagram_comes_with_its_senders_address_and_can_be_answered(pair: Pair) -> None:
    asks, endpoint = pair.connected(pair.other)
    endpoint.sendto(b"question")
    pair.network.run(1)
    (data, sender) = pair.collector.came[0]
    assert (data, sender[0]) == (b"question", "10.0.0.2")
    pair.collector.transport.sendto(b"answer", sender)
    pair.network.run(1)
    assert asks.came == [(b"answer", ("10.0.0.1", 53))]


def test_of_many_some_are_lost_some_come_twice_and_some_too_late(pair: Pair) -> None:
    pair.network.way("other", "one").set(loss=0.2, duplicate=0.2, reorder=0.2, jitter=0.01)
    _, endpoint = pair.connected(pair.other)
    sent = [b"%03d" % number for number in range(200)]
    for number, each in enumerate(sent):
        pair.other.reactor.call_later(number / 100, endpoint.sendto, each)
    pair.network.run(10)
    assert 100 < len({*pair.datagrams}) < 200
    assert len(pair.datagrams) > len({*pair.datagrams})
    assert pair.datagrams != sorted(pair.datagrams)
    assert {*pair.datagrams} <= {*sent}


def test_who_is_connected_hears_of_a_port_where_nobody_listens(pair: Pair) -> None:
    asks, endpoint = pair.connected(pair.other, 54)
    endpoint.sendto(b"question")
    pair.network.run(1)
    endpoint.sendto(b"another")
    pair.network.run(1)
    assert {type(each) for each in asks.errors} == {ConnectionRefusedError}


def test_from_others_nothing_comes_to_who_is_connected(pair: Pair) -> None:
    asks, endpoint = pair.connected(pair.other)
    pair.network.run(1)
    stranger = pair.one.reactor.bind_udp(Collector, None, 0)
    stranger.sendto(b"hello", endpoint.get_extra_info("sockname"))
    pair.network.run(1)
    assert asks.came == []


def test_a_full_queue_takes_no_more(pair: Pair) -> None:
    pair.network.way("other", "one").set(backlog=3)
    _, endpoint = pair.connected(pair.other)
    pair.one.freeze(5)
    for number in range(10):
        endpoint.sendto(b"%d" % number)
    pair.network.run(10)
    assert pair.datagrams == [b"0", b"1", b"2"]
    assert "find no room" in str(pair.network.log)


def test_a_port_is_taken_once_and_free_when_it_is_left(pair: Pair) -> None:
    with pytest.raises(OSError, match=r"can't bind to 0.0.0.0:53: Address already in use"):
        pair.one.reactor.bind_udp(Collector, None, 53)
    pair.collector.transport.close()
    pair.network.run(1)
    pair.one.reactor.bind_udp(Collector, None, 53)


def test_what_is_too_large_is_told_and_groups_are_not_there(pair: Pair) -> None:
    asks, endpoint = pair.connected(pair.other)
    endpoint.sendto(bytes(70_000))
    pair.network.run(1)
    assert "Message too long" in str(asks.errors[0])
    with pytest.raises(OSError, match="Protocol not available"):
        pair.collector.transport.join_group("224.0.0.9")
