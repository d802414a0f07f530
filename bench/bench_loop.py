"""What an event loop takes for its own work: reactor's, asyncio's and uvloop's, in turns within one process.

Each run does something many times and lets the loop run until all of it is done. CPU time, so that waiting for a timer
counts nothing; uvloop's clock ticks in milliseconds, so the timers are of one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from measure import Figure, compare, table
from race import SERVER_CORE, allow_descriptors
from results import save

from reactor import EventLoop

ITEMS = 1000
FILES = 500
BASE = "asyncio"


class Loop:
    """A loop under test, and how it is let run until what is queued is done."""

    def __init__(self, loop: Any, run: Callable[[], object]) -> None:
        self.loop = loop
        self._run = run

    def finish(self) -> None:
        """Run what is queued so far."""
        self.loop.call_soon(self.loop.stop)
        self._run()

    def run(self) -> None:
        """Run until something stops the loop."""
        self._run()


def nothing() -> None:
    pass


def call_soon(loop: Loop) -> None:
    call = loop.loop.call_soon
    for _ in range(ITEMS):
        call(nothing)
    loop.finish()


def call_soon_threadsafe(loop: Loop) -> None:
    call = loop.loop.call_soon_threadsafe
    for _ in range(ITEMS):
        call(nothing)
    loop.finish()


def turns(loop: Loop) -> None:
    """Make a turn for each call: one asks for the next."""
    left = iter(range(ITEMS))

    def again() -> None:
        loop.loop.call_soon(again if next(left, None) is not None else loop.loop.stop)

    again()
    loop.run()


def call_later_cancel(loop: Loop) -> None:
    call = loop.loop.call_later
    for _ in range(ITEMS):
        call(60, nothing).cancel()
    loop.finish()


def call_later_fires(loop: Loop) -> None:
    call = loop.loop.call_later
    for _ in range(ITEMS):
        call(0.001, nothing)
    call(0.002, loop.loop.stop)
    loop.run()


def add_remove_reader(files: list[int], loop: Loop) -> None:
    """Watch each file for a turn: a loop may tell the kernel only then."""
    for file in files:
        loop.loop.add_reader(file, nothing)
    loop.finish()
    for file in files:
        loop.loop.remove_reader(file)
    loop.finish()


def loops(stack: ExitStack) -> dict[str, Loop]:
    """Return the loops by name; they are closed with the stack."""
    ours = stack.enter_context(EventLoop())
    theirs = {"asyncio": asyncio.SelectorEventLoop(), "uvloop": uvloop.new_event_loop()}
    for loop in theirs.values():
        stack.enter_context(closing(loop))
    return {"reactor": Loop(ours, ours.run), **{name: Loop(loop, loop.run_forever) for name, loop in theirs.items()}}


def silent_files(stack: ExitStack) -> list[int]:
    """Return the reading ends of pipes that nothing is written to."""
    files = []
    for _ in range(FILES):
        ends = os.pipe()
        for end in ends:
            stack.callback(os.close, end)
        files.append(ends[0])
    return files


def work(stack: ExitStack) -> dict[str, tuple[Callable[[Loop], None], int]]:
    """Return what is measured, and how many items a run of it has."""
    return {
        "call_soon, run": (call_soon, ITEMS),
        "call_soon_threadsafe, run": (call_soon_threadsafe, ITEMS),
        "a turn of one call": (turns, ITEMS),
        "call_later, cancelled": (call_later_cancel, ITEMS),
        "call_later, fired": (call_later_fires, ITEMS),
        "add_reader and remove_reader": (partial(add_remove_reader, silent_files(stack)), FILES),
    }


def measure(rounds: int) -> dict[str, dict[str, Figure]]:
    """Measure and print one kind of work after the other."""
    found = {}
    with ExitStack() as stack:
        each_loop = loops(stack)
        for title, (run, items) in work(stack).items():
            runs = {name: partial(run, loop) for name, loop in each_loop.items()}
            found[title] = compare(runs, items, rounds, time.process_time_ns)
            print(table(f"{title}, ns of CPU each", found[title], BASE), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure event loops, in turns.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    rounds = 20 if args.quick else args.rounds
    allow_descriptors()
    os.sched_setaffinity(0, {SERVER_CORE})
    found = measure(rounds)
    if args.json:
        plain = {title: {name: each._asdict() for name, each in row.items()} for title, row in found.items()}
        save(args.json, rounds, {"work": plain})


if __name__ == "__main__":
    main()
