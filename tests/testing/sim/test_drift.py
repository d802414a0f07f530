"""DriftingClock: its own rate, never back."""

import pytest

from reactor.testing.sim.drift import DriftingClock
from reactor.testing.sim.events import Events


def test_it_gains_what_its_rate_says_and_never_jumps() -> None:
    events = Events()
    clock = DriftingClock(events, 100.0)
    events.now = 10.0
    assert clock() == 110.0
    clock.run_at(2.0)
    assert clock() == 110.0
    events.now = 15.0
    assert (clock(), clock.until(4.0), clock.rate) == (120.0, 2.0, 2.0)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_it_never_goes_back(rate: float) -> None:
    with pytest.raises(ValueError, match=f"rate is {rate!r}, it must be more than 0"):
        DriftingClock(Events(), 0).run_at(rate)
