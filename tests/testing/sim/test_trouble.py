"""Faults: drawn before they happen, for a time, and each can be left out."""

from __future__ import annotations

import pytest
from testing.sim.world import World

from reactor import Backoff
from reactor.testing import SimNetwork
from reactor.testing.sim import GENTLE, KINDS


def drawn(without: tuple[int, ...] = (), seed: int = 5) -> list[str]:
    with SimNetwork(seed, without=without) as network:
        network.host("one")
        network.host("other")
        network.disturb(*KINDS, every=5, until=300)
        network.run(400)
        return [line for line in network.log.lines() if " fault " in line]


def test_a_seed_draws_its_faults_and_who_is_left_out_changes_no_other() -> None:
    all_of_them = drawn()
    assert len(all_of_them) > 30
    assert all_of_them == drawn() != drawn(seed=6)
    assert drawn(without=(0, 3)) == [each for each in all_of_them if "fault 0:" not in each and "fault 3:" not in each]


@pytest.mark.parametrize("kind", KINDS)
def test_behind_every_fault_all_is_as_it_was(kind: str) -> None:
    with SimNetwork(3) as network:
        world = World(network)
        world.client.reactor.connect_tcp(world.answers, "server", 9000, reconnect=Backoff(initial=1, longest=5))
        before = [vars(network.way(*pair)).copy() for pair in (("client", "server"), ("server", "client"))]
        network.disturb(kind, every=1, until=60, longest=10, hosts=["server", "client"])
        network.run(120)
        assert f"{kind} at" in str(network.log)
        for way, was in zip(("client", "server"), before, strict=True):
            now = vars(network.way(way, "server" if way == "client" else "client"))
            assert {**now, "_free_at": 0} == {**was, "_free_at": 0}
        for host in (world.server, world.client):
            assert (host.up, host.frozen, host.descriptors, host.names_fail) == (True, False, None, False)
            assert host.clock.rate == 1.0
        asks = world.asks(b"all is well")
        network.run(5)
        assert asks.messages == [b"all is well"]


def test_a_fault_that_is_none_is_named() -> None:
    with SimNetwork(1) as network, pytest.raises(ValueError, match="there is no fault 'flood': partition, one_way"):
        network.disturb("flood")


def test_no_host_loses_its_memory_unless_it_is_told_so() -> None:
    assert set(KINDS) - set(GENTLE) == {"crash", "kill", "drift"}


def test_where_nobody_is_nothing_goes_wrong() -> None:
    with SimNetwork(1) as network:
        network.disturb(every=1)
        network.run(60)
        assert "fault" not in str(network.log)
