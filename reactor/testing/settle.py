"""settle: turns until nothing is left to do. Law: no waiting; what a clock or another thread brings is not done yet."""

from __future__ import annotations

from ..loop import EventLoop

_MOST_TURNS = 10_000


def settle(loop: EventLoop, most: int = _MOST_TURNS) -> int:
    """Make turns until one finds nothing to do, and leaves nothing for the next; return how many it took.

    A timer that isn't due stays, and so does a call in a thread. Raises RuntimeError when `most` turns weren't enough:
    then something asks for another turn in every turn.
    """
    for turn in range(1, most + 1):
        before = _done(loop)
        loop.run_once(0)
        if loop.rest() != 0 and _done(loop) == before:
            return turn
    raise RuntimeError(f"the loop doesn't settle: after {most} turns there is still something to do")


def _done(loop: EventLoop) -> int:
    """Return how much the loop has done: files that were ready, calls and timers."""
    stats = loop.stats()
    return stats["events"] + stats["calls"]
