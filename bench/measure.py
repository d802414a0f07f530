"""How to compare on a noisy machine: in turns within one run, the least of many, with the spread beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Figure(NamedTuple):
    """Nanoseconds for one item: the least, and the median of the rounds."""

    least: float
    median: float

    @property
    def spread(self) -> float:
        return self.median / self.least - 1


def compare(
    runs: Mapping[str, Callable[[], object]],
    items: int,
    rounds: int = 200,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, Figure]:
    """Time each run once a round, in turns, so that whatever slows the machine down slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = clock()
            run()
            times[name].append((clock() - begin) / items)
    return {name: Figure(min(each), sorted(each)[len(each) // 2]) for name, each in times.items()}


def table(title: str, figures: dict[str, Figure], base: str) -> str:
    """Write figures as text, each beside its ratio to the base."""
    to_base = f"to {base}"
    width = max(9, len(to_base))
    lines = [f"\n{title}", f"  {'':18} {'least':>9} {'median':>9} {'spread':>7} {to_base:>{width}}"]
    for name, figure in figures.items():
        ratio = f"{figure.least / figures[base].least:.2f}x"
        lines.append(f"  {name:18} {figure.least:7.1f}ns {figure.median:7.1f}ns {figure.spread:6.0%}  {ratio:>{width}}")
    return "\n".join(lines)
