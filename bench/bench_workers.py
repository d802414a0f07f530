"""What workers add to a message: CPU per message of one worker and of two, in turns in one run.

A machine of two cores can't hold two workers and their load; what a message costs tells the same. All workers of a
master share the server's core here, and the load has the other.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from options import arguments, case_of
from race import HERE, SERVER_CORE, Case, Figures, Program, Window, build, in_turns, load
from results import save

CASES = ["50x1x64", "50x32x64", "10x1x16384"]
COUNTS = ["1", "2"]
BYTES = 64 << 20  # in a window, at most
MESSAGES = 200_000


class Master(Program):
    """A master with its workers: their CPU is all of it that serves."""

    def __init__(self, count: str) -> None:
        serve = ["-m", "reactor", "serve", "workers_app:setup", "--bind", "127.0.0.1:0", "--workers", count]
        super().__init__(SERVER_CORE, [sys.executable, *serve], {"PYTHONPATH": f"{HERE}:{HERE.parent}"})

    def cpu_ns(self) -> int:
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in workers)

    def end(self) -> None:
        self._child.terminate()
        self._child.communicate()


class Runner:
    """One master with its load, at rest between windows."""

    def __init__(self, count: str, case: Case, stack: ExitStack) -> None:
        self._master = stack.enter_context(Master(count))
        self._load = load(self._master.hear().rpartition(":")[2], case, stack)
        self._rounds = max(1, min(MESSAGES, BYTES // case.size) // (case.connections * case.in_flight))

    def window(self) -> Window:
        before = self._master.cpu_ns()
        self._load.tell(f"echo {self._rounds}")
        messages, nanoseconds, *_ = map(int, self._load.hear().split())
        return Window((self._master.cpu_ns() - before) / messages / 1e3, messages / nanoseconds * 1e9)


def measure(case: Case, rounds: int) -> dict[str, Figures]:
    windows = in_turns(COUNTS, lambda count, stack: Runner(count, case, stack), Runner.window, rounds)
    return {count: Figures(found) for count, found in windows.items()}


def main() -> None:
    args = arguments("Measure what workers add to a message.", 10, CASES, CASES).parse_args()
    build()
    found = {}
    for case in map(case_of, args.cases):
        figures = measure(case, 3 if args.quick else args.rounds)
        found[str(case)] = {f"{count} workers": each.plain() for count, each in figures.items()}
        one, two = (figures[count] for count in COUNTS)
        told = [f"{name} {each.least:7.3f} us (+{each.spread:.0%})" for name, each in (("one", one), ("two", two))]
        print(f"{case!s:28} {'   '.join(told)}   {two.least / one.least:.2f}x", flush=True)
    if args.json:
        save(args.json, args.rounds, {"cases": found})


if __name__ == "__main__":
    main()
