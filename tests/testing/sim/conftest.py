"""A network to test with, and two hosts on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testing.sim.world import World

from reactor.testing import SimNetwork


@pytest.fixture
def network() -> Iterator[SimNetwork]:
    """A network in good order: a millisecond each way, nothing lost."""
    with SimNetwork(1) as network:
        yield network


@pytest.fixture
def world(network: SimNetwork) -> World:
    return World(network)
