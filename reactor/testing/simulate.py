"""simulate: the search for a seed that fails. Law: what it tells can be played again by one command.

A scenario is a function of a `SimNetwork`: it makes hosts, lets time pass and asserts.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from .play import Outcome, Scenario, play
from .shrink import shrink as leave_out_faults
from .workers import first_failure

_LAST_LINES = 40  # of the log
_BETWEEN = 0.2  # seconds between two looks of the progress line


class SimulationFailed(AssertionError):  # it names the fact
    """A seed failed. `seed`, `without` and `faults` say what to play again; `log` is all that happened."""

    def __init__(self, outcome: Outcome, command: str) -> None:
        super().__init__(_told(outcome, command))
        self.seed, self.without, self.faults = outcome.seed, outcome.without, outcome.faults
        self.log, self.command = outcome.log, command


def simulate(
    scenario: Scenario,
    seeds: int | Iterable[int] = 1000,
    *,
    processes: int | None = None,
    shrink: bool = True,
    progress: bool | None = None,
) -> list[int]:
    """Play a scenario with many seeds, on all cores; return them. Raises SimulationFailed for the first that fails.

    `seeds`: how many, from 0 on, or which. `processes`: None for one a core. `shrink`: whether to leave out the faults
    that it doesn't need to fail. `progress`: whether to show a line of how far it is; None: on a terminal.
    """
    scenario = getattr(scenario, "scenario", scenario)
    wanted = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    show = _Progress(scenario, len(wanted), progress)
    try:
        seed = first_failure(scenario, wanted, processes or _cores(), show)
    finally:
        show.end()
    if seed is None:
        return wanted
    outcome = play(scenario, seed)
    if not outcome.failed:
        raise RuntimeError(f"seed {seed} failed, and when it was played again did not: something else has a say in it")
    if shrink:
        outcome = leave_out_faults(scenario, outcome)
    raise SimulationFailed(outcome, command_of(scenario, outcome)) from outcome.error


def scenario(function: Scenario | None = None, *, seeds: int = 100, **options: Any) -> Callable[..., Any]:
    """Make a test of a scenario: a function without arguments, which plays it with many seeds.

    REACTOR_SEEDS in the environment says how many instead.
    """

    def decorate(function: Scenario) -> Callable[[], None]:
        def test() -> None:
            simulate(function, int(os.environ.get("REACTOR_SEEDS", seeds)), **options)

        for name in ("__name__", "__qualname__", "__doc__", "__module__"):  # no __wrapped__: pytest would look there
            setattr(test, name, getattr(function, name))
        test.scenario = function  # type: ignore[attr-defined]
        return test

    return decorate if function is None else decorate(function)


def command_of(scenario: Scenario, outcome: Outcome) -> str:
    """Return the line that plays an outcome again."""
    name = getattr(scenario, "__qualname__", "")
    without = ",".join(map(str, sorted(outcome.without)))
    try:
        path = inspect.getsourcefile(scenario)
    except TypeError:  # what has no code of its own
        path = None
    if path is None or not name.isidentifier() or not os.path.exists(path):
        told = f", without=[{without}]" if without else ""
        return f"reactor.testing.play({name or 'scenario'}, {outcome.seed}{told})"
    line = f"python -m {__name__.rpartition('.')[0]} {os.path.relpath(path)}:{name} {outcome.seed}"
    return f"{line} --without {without}" if without else line


def _told(outcome: Outcome, command: str) -> str:
    faults = [f"  {fault}" for fault in outcome.faults]
    return "\n".join(
        [
            f"seed {outcome.seed} fails: {type(outcome.error).__name__}: {outcome.error}",
            f"the log, its last {min(_LAST_LINES, len(outcome.log))} lines of {outcome.log.written}:",
            *outcome.log.lines(_LAST_LINES),
            f"faults that it takes: {len(faults) or 'none'}",
            *faults,
            f"again: {command}",
        ]
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Progress:
    """A line on the terminal: how many seeds were played, and how fast."""

    def __init__(self, scenario: Scenario, count: int, wanted: bool | None) -> None:
        self._name = getattr(scenario, "__name__", "scenario")
        self._count = count
        self._on = sys.stderr.isatty() if wanted is None else wanted
        self._began = self._told = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if self._on and (now - self._told >= _BETWEEN or done == self._count):
            self._told = now
            speed = done / max(now - self._began, 1e-9)
            sys.stderr.write(f"\r{self._name}: {done} of {self._count} seeds, {speed:.0f} a second ")
            sys.stderr.flush()

    def end(self) -> None:
        if self._on:
            sys.stderr.write("\n")
