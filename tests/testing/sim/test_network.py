"""SimNetwork: the same seed does the same, on both twins; names, partitions, TLS, and time that is told."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme
from helpers import FrameRecorder
from testing.sim import story
from testing.sim.world import World

import reactor
from reactor import Backoff
from reactor.testing import SimNetwork

ROOT = Path(reactor.__file__).parents[1]
STORED = "52bb40e58a0dfd449424ba43e46ce33076e8251b6935fa278b2d04931308bd3d"  # of the log of seed 3


def test_the_same_seed_writes_the_same_log(twin: ModuleType) -> None:
    assert story.told(3) == story.told(3) != story.told(4)


def test_it_is_the_same_on_every_machine_and_python(twin: ModuleType) -> None:
    """Store it anew when what the library sends, or how a network carries it, has changed on purpose."""
    assert hashlib.sha256(story.told(3).encode()).hexdigest() == STORED


@pytest.mark.parametrize("extension", ["0", ""])
@pytest.mark.parametrize("hashes", ["1", "2"])
def test_another_interpreter_with_other_hashes_writes_the_same_bytes(extension: str, hashes: str) -> None:
    env = {**os.environ, "REACTOR_EXTENSION": extension, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)}
    code = f"import runpy; print(runpy.run_path({story.__file__!r})['told'](3))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (story.told(3) + "\n", "")


def test_chance_of_the_module_random_is_the_seeds_while_it_runs() -> None:
    def drawn(seed: int) -> list[float]:
        numbers: list[float] = []
        with SimNetwork(seed) as network:
            network.host("one").reactor.call_every(1, lambda: numbers.append(random.random()))
            network.run(3)
            random.random()
            network.run(3)
        return numbers

    before = random.getstate()
    assert drawn(1) == drawn(1) != drawn(2)
    random.setstate(before)
    expected = random.random()
    random.setstate(before)
    with SimNetwork(1) as network:
        network.run(1)
    assert random.random() == expected


def test_a_name_is_looked_up_in_the_network(world: World) -> None:
    world.network.name("echo.example", "10.0.0.1")
    assert world.connect(host="echo.example").made
    world.network.name("echo.example")
    world.connect(host="echo.example")
    assert "can't resolve 'echo.example'" in str(world.failures[0])


def test_where_nobody_answers_for_names_it_is_told_so_and_tried_again(world: World) -> None:
    world.client.names_fail = True
    world.network.at(5, setattr, world.client, "names_fail", False)
    assert world.connect(retry=Backoff(initial=1)).made
    assert world.network.time > 4


def test_a_dead_address_of_a_name_is_passed_over(world: World) -> None:
    world.network.name("two", "10.0.9.9", "10.0.0.1")
    assert world.connect(host="two").made


def test_ipv6_is_spoken_where_a_host_has_it(network: SimNetwork) -> None:
    server = network.host("server", "10.0.0.1", "fd00::1")
    network.host("client", "fd00::2")
    asks = FrameRecorder()
    listening = server.reactor.listen_tcp(FrameRecorder, None, 9000)
    assert [address[0] for address in listening.addresses] == ["0.0.0.0", "::"]
    network.hosts["client"].reactor.connect_tcp(lambda: asks, "server", 9000)
    network.run(5)
    assert asks.transport.get_extra_info("peername")[:2] == ("fd00::1", 9000)


def test_a_partition_is_between_groups_and_heals(network: SimNetwork) -> None:
    for name in "abc":
        network.host(name)
    network.partition(["a"], ["b", "c"])
    blocked = [f"{one}{other}" for one in "abc" for other in "abc" if network.way(one, other).blocked]
    assert blocked == ["ab", "ac", "ba", "ca"]
    network.heal()
    assert not any(network.way(one, other).blocked for one in "abc" for other in "abc")


def test_tls_works_as_ever(world: World) -> None:
    import ssl

    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("server").configure_cert(server)
    authority.configure_trust(client)
    world.server.reactor.listen_tcp(world.answers, None, 9443, tls=server)
    world.network.link("client", "server").set(cuts=0.8, jitter=0.02, loss=0.1)
    asks = FrameRecorder()
    world.client.reactor.connect_tcp(lambda: asks, "server", 9443, tls=client)
    world.network.run_until(lambda: asks.made)
    asks.send(bytes(50_000))
    world.network.run(30)
    assert asks.messages == [bytes(50_000)]


def test_waiting_for_what_never_comes_ends(network: SimNetwork) -> None:
    network.run_until(lambda: True)
    with pytest.raises(TimeoutError, match="in 5 s of the network's the condition was never true"):
        network.run_until(lambda: False, 5)
    assert network.time == 5


def test_a_name_and_an_address_have_one_host(network: SimNetwork) -> None:
    network.host("one", "10.0.0.7")
    with pytest.raises(ValueError, match="there is a host 'one' already"):
        network.host("one")
    with pytest.raises(ValueError, match=r"10.0.0.7 is one's already"):
        network.host("other", "10.0.0.7")
    with pytest.raises(TypeError, match="there is no condition 'los'"):
        SimNetwork(1, los=0.5)


def test_an_accepted_connection_knows_whose_it_is(world: World) -> None:
    world.asks()
    world.network.run(1)
    facts: Any = world.made[0].transport.get_extra_info
    assert (facts("peername")[0], facts("sockname")) == ("10.0.0.2", ("10.0.0.1", 9000))
