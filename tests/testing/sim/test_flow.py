"""Flow: bytes come in order, once, however the packets fare, or one end fails."""

from __future__ import annotations

import errno

import pytest
from helpers import FrameRecorder
from testing.sim.world import World

from reactor import Limits
from reactor.testing import SimNetwork

BODIES = [b"%d" % number * 400 for number in range(60)]


def test_what_is_lost_is_sent_again_in_order_and_once(world: World) -> None:
    world.network.link("client", "server").set(loss=0.3, jitter=0.05, cuts=0.7)
    asks = world.asks(*BODIES)
    world.network.run(60)
    assert world.made[0].messages == asks.messages == BODIES


def test_a_partition_holds_a_stream_until_it_heals(world: World) -> None:
    asks = world.asks(b"before")
    world.network.run(1)
    world.network.partition(["client"], ["server"])
    asks.send(b"behind it")
    world.network.run(60)
    assert asks.messages == [b"before"]
    world.network.heal()
    world.network.run(120)
    assert asks.messages == [b"before", b"behind it"]


def test_one_way_alone_may_be_cut(world: World) -> None:
    asks = world.asks(b"before")
    world.network.run(1)
    world.network.way("server", "client").set(blocked=True)
    asks.send(b"heard")
    world.network.run(5)
    assert world.made[0].messages == [b"before", b"heard"]
    assert asks.messages == [b"before"]


def test_who_has_no_answer_for_a_quarter_of_an_hour_gives_up(world: World) -> None:
    asks = world.connect(limits=Limits(write_timeout=None, idle_timeout=None))
    world.network.partition(["client"], ["server"])
    asks.send(b"never heard")
    world.network.run(900)
    assert not asks.ended
    world.network.run(300)
    assert isinstance(asks.lost, OSError)
    assert asks.lost.errno == errno.ETIMEDOUT


def test_a_host_that_has_lost_its_memory_resets_who_still_sends(world: World) -> None:
    asks = world.asks(b"before")
    world.network.run(1)
    world.server.restart()
    world.network.run(10)
    assert not asks.ended, "nobody has told it"
    asks.send(b"who is there?")
    world.network.run(5)
    assert isinstance(asks.lost, ConnectionResetError)


def test_a_small_buffer_has_the_sender_wait_for_the_reader(network: SimNetwork) -> None:
    world = World(network)
    network.link("client", "server").set(buffer=1000)
    asks = world.connect()
    network.run(1)
    world.made[0].transport.pause_reading()
    asks.send(bytes(5000))
    network.run(1)
    assert asks.transport.get_write_buffer_size() == 5004 - 1000
    world.made[0].transport.resume_reading()
    network.run(1)
    assert asks.messages == [bytes(5000)]
    assert asks.transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("end", ["close", "abort"])
def test_an_end_comes_behind_what_was_sent_and_a_reset_is_told(world: World, end: str) -> None:
    asks = world.asks(b"last words")
    world.network.run(1)
    getattr(asks.transport, end)()
    world.network.run(1)
    assert world.made[0].messages == [b"last words"]
    assert world.made[0].ended
    assert (world.made[0].lost is None) is (end == "close")


def test_a_reset_that_is_lost_leaves_a_connection_half_open(world: World) -> None:
    asks = world.asks()
    world.network.run(1)
    world.network.partition(["client"], ["server"])
    asks.transport.abort()
    world.network.run(1)
    world.network.heal()
    world.network.run(10)
    assert not world.made[0].ended
    world.made[0].send(b"are you there?")
    world.network.run(5)
    assert isinstance(world.made[0].lost, ConnectionResetError)


def test_bandwidth_bounds_what_comes_in_a_second(network: SimNetwork) -> None:
    world = World(network)
    network.link("client", "server").set(bandwidth=1000)
    asks: FrameRecorder = world.asks(bytes(3000))
    network.run(2.5)
    assert world.made[0].messages == []
    network.run(1)
    assert world.made[0].messages == [bytes(3000)]
    assert asks.made
