"""Workers: seeds played in processes side by side. Law: which seed is told does not depend on who was faster."""

from __future__ import annotations

import os
import selectors
import signal
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress

from .play import Scenario, play


def first_failure(
    scenario: Scenario, seeds: Sequence[int], processes: int, progress: Callable[[int], object]
) -> int | None:
    """Play the seeds in order; return the first that fails, None if none does. `progress(done)` is called meanwhile."""
    if processes < 2 or len(seeds) < 2 or not hasattr(os, "fork"):
        return _in_order(scenario, seeds, progress)
    workers = [Worker(scenario, range(start, len(seeds), processes), seeds) for start in range(processes)]
    try:
        return _look_on(workers, seeds, progress)
    finally:
        for worker in workers:
            worker.end()


def _in_order(scenario: Scenario, seeds: Sequence[int], progress: Callable[[int], object]) -> int | None:
    for done, seed in enumerate(seeds):
        progress(done)
        if play(scenario, seed).failed:
            return seed
    return None


def _look_on(workers: list[Worker], seeds: Sequence[int], progress: Callable[[int], object]) -> int | None:
    """Read what they tell until all is known that decides which seed is the first to fail."""
    failed = len(seeds)
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.pipe, selectors.EVENT_READ, worker)
        while any(worker.next < failed for worker in workers):
            for key, _ in selector.select():
                failed = min(failed, key.data.heard())
                if key.data.next >= failed:
                    selector.unregister(key.fileobj)
            progress(sum(worker.done for worker in workers))
    return seeds[failed] if failed < len(seeds) else None


class Worker:
    """A child that plays some places of `seeds`, and writes a byte for each."""

    def __init__(self, scenario: Scenario, places: range, seeds: Sequence[int]) -> None:
        self._places = places
        self.done = 0
        self.pipe, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a thread of the test runner's has no part in it
            self._pid = os.fork()
        if self._pid == 0:
            _play_all(scenario, [seeds[place] for place in places], writing)
        os.close(writing)

    @property
    def next(self) -> int:
        """The place of the seed that it plays."""
        return self._places[self.done] if self.done < len(self._places) else 1 << 62

    def heard(self) -> int:
        """Read what has come; return the place of a seed that failed, or a number beyond all places."""
        told = os.read(self.pipe, 4096)
        if not told and self.done < len(self._places):
            raise RuntimeError(f"the process that played place {self.next} of the seeds has died")
        for byte in told:
            if byte != ord("."):
                failed, self.done = self.next, len(self._places)
                return failed
            self.done += 1
        return 1 << 62

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.pipe)


def _play_all(scenario: Scenario, seeds: list[int], writing: int) -> None:
    """Be the child: never return."""
    try:
        for seed in seeds:
            failed = play(scenario, seed).failed
            os.write(writing, b"F" if failed else b".")
            if failed:
                break
    except BaseException:  # an interrupt; the parent finds out by the end of the pipe
        os._exit(1)
    os._exit(0)
