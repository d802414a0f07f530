"""RoundTrips: quantiles from bounded memory."""

from __future__ import annotations

import pytest

from reactor.cli.round_trips import RoundTrips


def after(*seconds: float) -> RoundTrips:
    trips = RoundTrips()
    for each in seconds:
        trips.add(each)
    return trips


@pytest.mark.parametrize("seconds", [0.000_001, 0.000_123, 0.01, 1, 99])
def test_a_quantile_is_off_by_one_percent_at_most(seconds: float) -> None:
    assert after(seconds).quantile(0.5) == pytest.approx(seconds, rel=0.01)


def test_quantiles_divide_what_was_added() -> None:
    trips = after(*range(1, 101))
    assert trips.quantile(0.5) == pytest.approx(50, rel=0.02)
    assert trips.quantile(0.99) == pytest.approx(99, rel=0.02)
    assert trips.quantile(1) == pytest.approx(100, rel=0.02)


def test_a_clock_that_stood_still_is_no_error() -> None:
    assert after(0).quantile(0.5) < 1e-8


def test_memory_does_not_grow_with_the_number_of_answers() -> None:
    trips = after(*[0.001] * 1000)
    assert len(trips._counts) == 1
