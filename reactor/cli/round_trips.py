"""RoundTrips: how long answers took. Law: memory doesn't grow with the number of answers, so it counts steps of 2 %."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate

_STEP = math.log(1.02)
_SHORTEST = 1e-9  # seconds; a clock may say that no time has passed, and 0 has no logarithm


class RoundTrips:
    """Counts durations; what `quantile` says is off by 1 % at most."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._counts[round(math.log(max(seconds, _SHORTEST)) / _STEP)] += 1

    def quantile(self, share: float) -> float:
        """Return the duration that `share` (0 to 1) of all didn't exceed. There must be one."""
        steps = sorted(self._counts)
        seen = accumulate(self._counts[step] for step in steps)
        due = share * self._counts.total()
        found = next(step for step, count in zip(steps, seen, strict=True) if count >= due)
        return math.exp(found * _STEP)
