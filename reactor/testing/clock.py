"""ManualClock: a clock that is told the time. Law: it never moves on its own, so a test never sleeps."""

from __future__ import annotations


class ManualClock:
    """Give it to a loop as its `clock`; `advance()` it and make a turn with `run_once(0)`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now += seconds
