"""settle(): it makes turns until nothing is left to do, and none for what isn't due."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import EventLoop, FramedProtocol, Protocol
from reactor.testing import ManualClock, memory_pair, settle


class Asks(FramedProtocol):
    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.send(b"9")

    def message_received(self, message: bytes) -> None:
        self.answers.append(message)
        if message != b"0":
            self.send(message)


class CountsDown(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(b"%d" % (int(message) - 1))


def test_a_conversation_is_over_when_it_returns(loop: EventLoop) -> None:
    asks = Asks()
    memory_pair(loop, asks, CountsDown())
    settle(loop)
    assert asks.answers == [b"%d" % each for each in range(8, -1, -1)]
    asks.transport.abort()
    settle(loop)


def test_a_loop_with_nothing_to_do_takes_one_turn(loop: EventLoop) -> None:
    assert settle(loop) == 1


def test_a_timer_that_is_due_runs_and_another_one_stays(loop: EventLoop, clock: ManualClock) -> None:
    rung: list[str] = []
    loop.call_later(1, rung.append, "due")
    loop.call_later(2, rung.append, "not due")
    clock.advance(1)
    settle(loop)
    assert rung == ["due"]


def test_who_asks_for_a_turn_in_every_turn_never_settles(loop: EventLoop) -> None:
    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(RuntimeError, match="doesn't settle: after 50 turns"):
        settle(loop, 50)


def test_the_ends_of_a_pair_are_called_as_it_is_told(loop: EventLoop) -> None:
    addresses = ("10.0.0.7", 33000), ("10.0.0.1", 9000)
    client, server = memory_pair(loop, Protocol(), Protocol(), addresses=addresses)
    assert [each.get_extra_info("sockname") for each in (client, server)] == list(addresses)
    assert [each.get_extra_info("peername") for each in (server, client)] == list(addresses)
    client.abort()
    settle(loop)
