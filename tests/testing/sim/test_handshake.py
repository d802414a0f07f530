"""Handshake: who connects is answered, refused, or waits and gives up."""

from __future__ import annotations

import errno

import pytest
from helpers import FrameRecorder
from testing.sim.world import World

from reactor import Backoff, Limits

FOR_EVER = Limits(connect_timeout=None)


def test_a_connection_takes_its_round_trips(world: World) -> None:
    world.network.link("client", "server").set(latency=0.1)
    world.connect(host="10.0.0.1")
    assert world.network.time == pytest.approx(0.2, abs=0.001)


def test_where_nobody_listens_it_is_refused(world: World) -> None:
    world.client.reactor.connect_tcp(FrameRecorder, "server", 1, on_failure=world.failures.append)
    world.network.run(1)
    assert isinstance(world.failures[0], ConnectionRefusedError)


def test_a_way_may_refuse_all_who_connect(world: World) -> None:
    world.network.way("client", "server").set(refuses=True)
    world.connect()
    assert isinstance(world.failures[0], ConnectionRefusedError)


@pytest.mark.parametrize("how", ["ignores", "blocked", "down"])
def test_who_is_never_answered_gives_up_after_two_minutes(world: World, how: str) -> None:
    if how == "down":
        world.server.crash()
    else:
        world.network.way("client", "server").set(**{how: True})
    world.connect(limits=FOR_EVER)
    assert world.failures[0].errno == errno.ETIMEDOUT
    assert world.network.time == pytest.approx(127, abs=1)


def test_connect_timeout_comes_before_that(world: World) -> None:
    world.network.way("client", "server").set(ignores=True)
    world.connect(limits=Limits(connect_timeout=5))
    assert isinstance(world.failures[0], TimeoutError)
    assert world.network.time == pytest.approx(5, abs=0.1)


def test_an_address_that_no_host_has_is_not_to_be_reached(world: World) -> None:
    world.connect(host="10.9.9.9")
    assert world.failures[0].errno == errno.EHOSTUNREACH


def test_who_tries_again_is_connected_when_the_server_is_back(world: World) -> None:
    world.server.crash()
    world.server.restart(after=30)
    world.connect(limits=Limits(connect_timeout=2), retry=Backoff(initial=1, longest=5))
    assert not world.failures
    assert 30 < world.network.time < 40


def test_a_full_backlog_has_newcomers_ask_again(world: World) -> None:
    world.server.reactor.listen_tcp(world.answers, None, 9001, backlog=1)
    world.server.freeze(3)
    asks = [FrameRecorder() for _ in range(3)]
    for each in asks:
        world.client.reactor.connect_tcp(lambda each=each: each, "server", 9001, limits=FOR_EVER)
    world.network.run(2)
    assert "tcp backlog is full" in str(world.network.log)
    world.network.run(20)
    assert all(each.made for each in asks)


def test_a_unix_socket_is_connected_at_once_and_stays_on_its_host(world: World) -> None:
    world.server.reactor.listen_unix(world.answers, "/run/echo.sock")
    asks, failures = FrameRecorder(), world.failures
    world.server.reactor.connect_unix(lambda: asks, "/run/echo.sock")
    world.client.reactor.connect_unix(FrameRecorder, "/run/echo.sock", on_failure=failures.append)
    world.network.run(1)
    assert asks.made
    assert isinstance(failures[0], FileNotFoundError)
    asks.send(b"hello")
    world.network.run(1)
    assert asks.messages == [b"hello"]


def test_the_path_of_a_dead_server_refuses_and_the_next_one_takes_it(world: World) -> None:
    reactor = world.server.reactor
    server = reactor.listen_unix(world.answers, "@echo")
    with pytest.raises(OSError, match="can't listen on unix:@echo: Address already in use"):
        reactor.listen_unix(world.answers, "@echo")
    server.close()
    reactor.connect_unix(FrameRecorder, "@echo", on_failure=world.failures.append)
    world.network.run(1)
    assert isinstance(world.failures[0], ConnectionRefusedError)
    reactor.listen_unix(world.answers, "@echo")
