"""python -m reactor.testing FILE:SCENARIO [SEED]: plays one seed and prints its log, or looks for one that fails."""

from __future__ import annotations

import argparse
import os
import runpy
import sys

from .play import play
from .simulate import SimulationFailed, simulate


def main(argv: list[str] | None = None) -> int:
    """Play or search; 1 if it fails."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("scenario", help="FILE:NAME of a function that takes a SimNetwork, or of a test made of one")
    parser.add_argument("seed", nargs="?", type=int, help="which one to play; without, all from 0 on are")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to look through (default: 1000)")
    parser.add_argument("--without", default="", help="numbers of faults to leave out, parted by commas")
    parser.add_argument("--lines", type=int, default=None, help="how many lines of the log to print, the last ones")
    options = parser.parse_args(argv)
    path, _, name = options.scenario.rpartition(":")
    if not path or not os.path.exists(path):
        parser.error(f"{options.scenario!r} has no file: FILE:NAME is needed")
    sys.path[:0] = [os.path.dirname(os.path.abspath(path)), os.getcwd()]
    scenario = runpy.run_path(path).get(name)
    if scenario is None:
        parser.error(f"{path} has no {name!r}")
    scenario = getattr(scenario, "scenario", scenario)
    if options.seed is None:
        return _search(scenario, options.seeds)
    outcome = play(scenario, options.seed, map(int, filter(None, options.without.split(","))))
    print("\n".join(outcome.log.lines(options.lines)))
    print(outcome.trace or f"seed {options.seed} passes")
    return 1 if outcome.failed else 0


def _search(scenario: object, seeds: int) -> int:
    try:
        simulate(scenario, seeds)  # type: ignore[arg-type]  # a call tells
    except SimulationFailed as exc:
        print(exc)
        return 1
    print(f"{seeds} seeds pass")
    return 0


if __name__ == "__main__":
    sys.exit(main())
