"""Interruptions: a busy server, and exceptions out of nowhere: nothing is lost, comes twice, or is left.

Our own Ctrl-C is kept while the library runs, on both twins. What a signal handler of somebody else's raises comes
anywhere: the pure twin, whose every step is a bytecode, may then lose the bytes that it has in hand, and nothing else.
REACTOR_INTERRUPTIONS sets how many come in each test; a turn has 100 to 2,000 points.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from interruption import Interruption, interrupt_twice, raise_out_of_nowhere, run_for_two_turns
from road.busy import Busy
from road.conftest import Contexts

# who is being accepted when an exception comes out of nowhere is let go
pytestmark = pytest.mark.filterwarnings("ignore:.*unclosed .*SocketOf:pytest.PytestUnraisableExceptionWarning")
MOST = int(os.environ.get("REACTOR_INTERRUPTIONS", "25"))
NEVER = 1 << 30


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


@pytest.fixture(params=[interrupt_twice, raise_out_of_nowhere])
def act(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["tcp", "tls"])
def busy(
    request: pytest.FixtureRequest, twin: ModuleType, contexts: Contexts, act: Callable[[], None]
) -> Callable[[], Busy]:
    made = contexts() if request.param == "tls" else None

    def begin() -> Busy:
        server = Busy(made)
        server.lossy = act is raise_out_of_nowhere and twin.__name__.endswith("_py")
        return server

    return begin


@pytest.mark.parametrize("flooded", [False, True])
def test_nothing_is_lost_wherever_a_turn_is_interrupted(
    busy: Callable[[], Busy], act: Callable[[], None], flooded: bool
) -> None:
    def interrupted_at(number: int) -> Interruption:
        each = busy()
        if flooded:
            each.flood()
        each.ask(random.Random(number))
        interruption = Interruption(number, act)
        each.turn(interruption, run_for_two_turns)
        each.settle(interruption.met)
        each.finish(interruption.met)
        return interruption

    points = interrupted_at(NEVER).passed
    assert points > 50
    for number in range(0, points, max(1, points // MOST)):
        interrupted_at(number)


def test_a_server_outlives_one_interruption_after_another(busy: Callable[[], Busy], act: Callable[[], None]) -> None:
    dice = random.Random(2)
    each, where = busy(), ""
    if each.lossy:  # where one answer is lost already nothing more can be held against the next
        return each.finish(where)
    for number in range(MOST):
        if number % 10 == 0:
            each.replace_a_peer()
        each.ask(dice)
        interruption = Interruption(dice.randrange(400), act)
        each.turn(interruption, run_for_two_turns)
        where = interruption.met or where
        each.settle(where)
    return each.finish(where)
