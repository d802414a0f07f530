"""SimReactor: what a program calls, and what of it is refused because a simulated host hasn't got it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder
from testing.sim.world import World

from reactor.testing import SimNetwork


def test_run_is_for_the_network_to_make(network: SimNetwork) -> None:
    with pytest.raises(RuntimeError, match="a simulated host runs when its network does"):
        network.host("one").reactor.run()


def test_files_of_the_system_are_refused(network: SimNetwork) -> None:
    reactor = network.host("one").reactor
    with pytest.raises(NotImplementedError, match="no files"):
        reactor.connect_pipe(Recorder, 0)
    with socket.socket() as real, pytest.raises(ValueError, match="is a file of the system's: a simulation has none"):
        reactor.add_reader(real, print)


def test_stalls_are_watched_for_in_vain(network: SimNetwork) -> None:
    reactor = network.host("one").reactor
    reactor.report_stalls(0.1)
    with pytest.raises(ValueError, match="after is 0"):
        reactor.report_stalls(0)


def test_a_half_open_connection_is_told_of_its_peers_death(world: World) -> None:
    class Stays(FrameRecorder):
        def eof_received(self) -> bool:
            return True

    asks = world.connect(Stays)
    world.network.run(1)
    world.made[0].transport.close()
    world.network.run(1)
    assert not asks.ended
    asks.send(b"nobody reads this")
    world.network.run(1)
    assert asks.ended


def test_the_last_bytes_of_a_process_arrive_though_it_is_gone(world: World) -> None:
    asks = world.asks()
    world.network.run(1)
    world.network.link("client", "server").set(latency=2.0)
    asks.send(b"hello")
    world.network.run(0.1)
    asks.transport.close()
    world.client.reactor.stop()
    world.network.run(5)
    assert not world.client.up
    assert world.made[0].messages == [b"hello"]


def test_a_call_from_outside_between_two_runs_is_made(world: World) -> None:
    came: list[Any] = []
    world.client.reactor.call_later(1, came.append, "later")
    world.network.at(3, world.client.reactor.call_soon, came.append, "soon")
    world.network.run(5)
    assert came == ["later", "soon"]
