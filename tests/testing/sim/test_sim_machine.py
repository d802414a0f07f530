"""SimMachine: ports, addresses and descriptors of a host."""

from __future__ import annotations

import errno

import pytest
from helpers import FrameRecorder
from testing.sim.world import World

from reactor import Protocol
from reactor.testing import SimNetwork


def test_a_port_is_listened_at_once_and_free_when_that_is_over(world: World) -> None:
    reactor = world.server.reactor
    with pytest.raises(OSError, match=r"can't listen on 0.0.0.0:9000: Address already in use"):
        reactor.listen_tcp(Protocol, None, 9000)
    with pytest.raises(OSError, match="Address already in use"):
        reactor.listen_tcp(Protocol, "10.0.0.1", 9000)
    server = reactor.listen_tcp(Protocol, None, 0)
    port = server.addresses[0][1]
    server.close()
    assert reactor.listen_tcp(Protocol, None, port).addresses == [("0.0.0.0", port)]


def test_an_address_that_is_not_the_hosts_cannot_be_had(world: World) -> None:
    with pytest.raises(OSError, match=r"can't listen on 10.9.9.9:1") as caught:
        world.server.reactor.listen_tcp(Protocol, "10.9.9.9", 1)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_who_listens_at_one_address_is_not_reached_by_another(network: SimNetwork) -> None:
    server = network.host("server", "10.0.0.1", "10.0.0.9")
    server.reactor.listen_tcp(Protocol, "10.0.0.9", 80)
    made, failures = FrameRecorder(), []
    client = network.host("client").reactor
    client.connect_tcp(lambda: made, "10.0.0.9", 80)
    client.connect_tcp(FrameRecorder, "10.0.0.1", 80, on_failure=failures.append)
    network.run(1)
    assert made.made
    assert isinstance(failures[0], ConnectionRefusedError)


def test_a_client_may_say_where_it_comes_from(world: World) -> None:
    asks = world.connect(local_addr=("10.0.0.2", 5555))
    world.network.run(1)
    assert asks.transport.get_extra_info("sockname") == ("10.0.0.2", 5555)
    assert world.made[0].transport.get_extra_info("peername") == ("10.0.0.2", 5555)


def test_a_host_reaches_itself_and_localhost(world: World) -> None:
    for name in ("localhost", "127.0.0.1", "server"):
        asks = FrameRecorder()
        world.server.reactor.connect_tcp(lambda asks=asks: asks, name, 9000)
        world.network.run(1)
        assert asks.made, name


def test_what_is_open_is_counted_and_nothing_is_left_of_what_was(world: World) -> None:
    before = world.client.machine.files, world.server.machine.files
    for _ in range(20):
        asks = world.asks(b"hello")
        world.network.run(1)
        asks.transport.close()
        world.network.run(5)
    assert (world.client.machine.files, world.server.machine.files) == before


def test_without_descriptors_nothing_can_be_opened(world: World) -> None:
    world.client.descriptors = 0
    with pytest.raises(OSError, match="Too many open files"):
        world.client.reactor.listen_tcp(Protocol, None, 1)
    world.connect()
    assert world.failures[0].errno == errno.EMFILE
