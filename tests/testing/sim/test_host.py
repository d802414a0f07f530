"""SimHost: it boots, crashes, is killed, stands still, and has a clock of its own."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from helpers import FrameRecorder
from testing.sim.world import World

from reactor import Backoff, FramedProtocol, Limits, Reactor
from reactor.testing import SimNetwork


def test_a_program_starts_with_its_host_and_anew_behind_each_restart(network: SimNetwork) -> None:
    started: list[Reactor] = []
    host = network.host("one", setup=started.append)
    assert started == [host.reactor]
    host.restart(after=1)
    network.run(2)
    assert started[1] is host.reactor is not started[0]
    assert started[0].is_closed()


def test_a_crash_tells_nobody_and_a_kill_tells_the_peers(world: World) -> None:
    one = world.asks(b"hello")
    world.network.run(1)
    world.server.crash()
    world.network.run(10)
    assert not one.ended
    world.server.boot()
    other = world.asks(b"hello")
    world.network.run(1)
    world.server.kill()
    world.network.run(1)
    assert other.ended
    assert [each.ended for each in world.made] == [False, False], "the dead are told nothing"


def test_who_reconnects_is_back_when_the_host_is(world: World) -> None:
    asks: list[FrameRecorder] = []

    def factory() -> FrameRecorder:
        asks.append(FrameRecorder())
        return asks[-1]

    world.client.reactor.connect_tcp(factory, "server", 9000, reconnect=Backoff(initial=0.5, longest=2))
    world.network.run(1)
    world.server.kill()
    world.server.restart(after=5)
    world.network.run(20)
    assert [each.ended for each in asks] == [True, False]
    asks[-1].send(b"hello again")
    world.network.run(1)
    assert asks[-1].messages == [b"hello again"]


def test_a_program_that_stops_ends_in_good_order(world: World) -> None:
    asks = world.asks(b"hello")
    world.network.run(1)
    world.server.reactor.call_later(1, world.server.reactor.stop)
    world.network.run(2)
    assert not world.server.up
    assert asks.ended
    assert world.made[0].ended
    assert world.server.reactor.is_closed()


def test_a_host_that_stands_still_answers_when_it_goes_on(world: World) -> None:
    asks = world.asks()
    world.server.freeze(3)
    asks.send(b"hello")
    world.network.run(2.9)
    assert asks.messages == []
    world.network.run(0.2)
    assert asks.messages == [b"hello"]


def test_an_older_freeze_does_not_end_a_newer_one(world: World) -> None:
    world.server.freeze(1)
    world.server.freeze(5)
    world.network.run(2)
    assert world.server.frozen
    world.network.run(4)
    assert not world.server.frozen


def test_timers_go_by_the_clock_of_their_host(network: SimNetwork) -> None:
    rung: dict[str, float] = {}
    for name, rate in ("slow", 0.5), ("right", 1.0), ("fast", 2.0):
        host = network.host(name, drift=rate)
        host.reactor.call_later(10, lambda name=name: rung.setdefault(name, network.time))
    network.run(30)
    assert rung == {name: pytest.approx(when, abs=1e-4) for name, when in (("slow", 20), ("right", 10), ("fast", 5))}


def test_clocks_say_nothing_about_each_other(network: SimNetwork) -> None:
    assert network.host("one").reactor.time() != network.host("other").reactor.time()


def test_a_turn_takes_its_time_so_a_program_that_never_rests_lets_time_pass(network: SimNetwork) -> None:
    host = network.host("busy")
    turns: list[float] = []

    def again() -> None:
        turns.append(network.time)
        host.reactor.call_soon(again)

    again()
    host.turn_time = 0.01
    network.run(1)
    assert 99 <= len(turns) <= 103


def test_what_a_callback_raises_ends_the_run(world: World) -> None:
    class Wrong(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            raise AssertionError(f"{message!r} is wrong")

    world.connect(Wrong).send(b"hello")
    with pytest.raises(AssertionError, match="b'hello' is wrong"):
        world.network.run(1)


def test_what_the_network_does_is_reported_in_the_log_and_ends_nothing(world: World) -> None:
    world.client.reactor.connect_tcp(FrameRecorder, "server", 1)
    world.network.run(1)
    assert "client           reports no connection, and no on_failure: ConnectionRefusedError" in str(world.network.log)


def test_who_has_an_exception_handler_is_told_himself(world: World) -> None:
    told: list[dict[str, Any]] = []
    world.client.reactor.set_exception_handler(lambda _, context: told.append(context))
    world.client.reactor.call_soon(lambda: 1 / 0)
    world.network.run(1)
    assert isinstance(told[0]["exception"], ZeroDivisionError)


def test_a_signal_calls_its_handler_or_kills(world: World) -> None:
    came: list[str] = []
    world.server.reactor.add_signal_handler(signal.SIGTERM, came.append, "TERM")
    world.server.signal(signal.SIGTERM)
    world.network.run(1)
    assert came == ["TERM"]
    assert world.server.reactor.remove_signal_handler(signal.SIGTERM)
    world.server.signal(signal.SIGTERM)
    assert not world.server.up


def test_a_drain_lets_what_is_under_way_end(world: World) -> None:
    asks = world.asks(b"hello")
    world.network.run(1)
    done: list[Any] = []
    with world.made[0].transport.hold():
        world.server.reactor.drain(30, done.append)
        world.network.run(1)
        assert done == []
    world.network.run(1)
    assert done == [(1, 0)]
    assert asks.ended


def test_descriptors_run_out_and_come_back(world: World) -> None:
    world.server.descriptors = world.server.machine.files + 1
    one = world.asks(b"hello")
    world.network.run(1)
    others = [world.connect(limits=Limits(connect_timeout=5)) for _ in range(3)]
    world.network.run(1)
    assert one.messages == [b"hello"]
    assert [each.ended for each in others] == [True] * 3, "they were shed"
    assert world.server.reactor.stats()["shed"] == 3
    world.server.descriptors = None
    world.network.run(5)
    last = world.asks(b"there is room again")
    world.network.run(1)
    assert last.messages == [b"there is room again"]
