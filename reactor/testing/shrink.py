"""shrink: which faults a failure needs. Law: what it returns fails, and none of its faults can be left out alone."""

from __future__ import annotations

from .play import Outcome, Scenario, play

_MOST_TRIES = 200


def shrink(scenario: Scenario, failure: Outcome, most: int = _MOST_TRIES) -> Outcome:
    """Leave out faults as long as it fails in the same way: half of them at once, a quarter, one by one."""
    tries = 0
    chunk = max(1, len(failure.faults))
    while failure.faults:
        shrunk = False
        for first in range(0, len(failure.faults), chunk):
            numbers = [fault.number for fault in failure.faults[first : first + chunk]]
            if tries >= most:
                return failure
            tries += 1
            tried = play(scenario, failure.seed, failure.without.union(numbers))
            if tried.is_like(failure):
                failure, shrunk = tried, True
                break
        if not shrunk and chunk == 1:
            break
        if not shrunk:
            chunk = max(1, chunk // 2)
        chunk = min(chunk, max(1, len(failure.faults)))
    return failure
