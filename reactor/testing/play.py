"""play: one scenario on the network of one seed. Law: the same seed, and the same faults left out, end the same way."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .sim import SimNetwork

Scenario = Callable[[SimNetwork], object]


class Outcome(NamedTuple):
    """How a scenario ended: `error` None if all was well."""

    seed: int
    without: frozenset[int]
    error: Exception | None
    faults: list[Any]  # those that were to happen
    log: Any
    trace: str

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self.error is not None

    def is_like(self, other: Outcome) -> bool:
        """Tell whether both failed, in one way."""
        return self.failed and type(self.error) is type(other.error)


def play(scenario: Scenario, seed: int, without: Iterable[int] = ()) -> Outcome:
    """Call `scenario(network)`, and return how it ended. What it raises, or a callback, is a failure."""
    error, trace = None, ""
    with _quiet(), SimNetwork(seed, without=without) as network:
        try:
            scenario(network)
        except Exception as exc:
            error, trace = exc, traceback.format_exc()
            network.note("fails: %s: %s", type(exc).__name__, str(exc))
    return Outcome(seed, network.without, error, network.faults, network.log, trace)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log to itself: a thousand networks in a minute have much to say, and none of it is news."""
    logger = logging.getLogger(__name__.rpartition(".testing.")[0])
    handler, propagates = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagates
        logger.removeHandler(handler)
