"""shrink(): the faults that a failure doesn't need are left out."""

from __future__ import annotations

import pytest

from reactor.testing import SimNetwork, play
from reactor.testing.shrink import shrink


def needing(*numbers: int) -> object:
    """Return a scenario that fails when all of these faults happen."""

    def scenario(network: SimNetwork) -> None:
        network.host("one")
        network.disturb("freeze", every=1, until=20, longest=0.1)
        network.run(30)
        assert not {*numbers} <= {fault.number for fault in network.faults}

    return scenario


@pytest.mark.parametrize("numbers", [(), (0,), (3,), (2, 9), (0, 4, 5)])
def test_those_that_it_needs_are_left(numbers: tuple[int, ...]) -> None:
    scenario = needing(*numbers)
    found = shrink(scenario, play(scenario, 1))  # type: ignore[arg-type]
    assert tuple(fault.number for fault in found.faults) == numbers
    assert found.failed


def test_it_stops_after_so_many_tries_with_what_it_has() -> None:
    scenario = needing(2, 9)
    found = shrink(scenario, play(scenario, 1), most=3)  # type: ignore[arg-type]
    assert found.failed
    assert {2, 9} <= {fault.number for fault in found.faults}


def test_another_failure_does_not_count() -> None:
    def two_ways(network: SimNetwork) -> None:
        network.host("one")
        network.disturb("freeze", every=1, until=20, longest=0.1)
        if network.without:
            raise KeyError("another one")
        raise ValueError("this one")

    assert shrink(two_ways, play(two_ways, 1)).without == frozenset()
