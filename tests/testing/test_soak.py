"""The soak, in short: an hour and a half of it. `make soak` has a week."""

from __future__ import annotations

from testing.soak import QUIET, soak


def test_no_promise_is_broken_and_nothing_is_left_behind() -> None:
    counts = soak(seed=3, seconds=3600 + QUIET, clients=12)
    assert counts["answered"] > 1000
    assert counts["made"] > 100, "there were reconnects"
    assert counts["reading paused"] > 20
    assert counts["writing paused"] > 0
    assert counts["lost ConnectionResetError"] > 5
