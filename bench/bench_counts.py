"""Instructions an item, counted by valgrind, and held against those in counts.json.

A time depends on who else uses the machine; a count doesn't, so that a few percent more are seen and nothing flakes.
It tells less: not what the kernel does, and not what a cache miss costs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from counted import WORK, Work

HERE = Path(__file__).resolve().parent
STORED = HERE / "counts.json"
YARDSTICK = "yardstick"
COMPILED, PURE = "", "pure:"  # the twin, as it stands before a workload's name
NAMES = [*WORK, *(PURE + name for name in WORK if name.startswith(("ping-pong", "pipelined")))]

# How far counts of the same code were apart (CPython 3.11, 17 workloads). Three runs, the third with one of two cores
# busy: 0.3% at most, most of them alike to the instruction. Another folder, environment, hash seed or order of the
# workloads moves where blocks lie: 0.5%. So does a change elsewhere in the code: up to 2%.
TOLERANCE = 0.05

# The yardstick has none of our code, so it tells one interpreter from another, to 0.1%. Debian's build of 3.11 takes
# 11% fewer instructions for it than pyenv's, and ratios to it are then up to 12% apart: no tolerance would hold them.
SAME_BUILD = 0.02

FIXED = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "",  # as if unset
    # No `rep movsb`, of which valgrind counts every byte. And blocks from 128 KiB on are mapped, whatever was freed
    # before: else 1 MiB takes a copy more or less, 20%, by where a block happens to lie.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS:glibc.malloc.mmap_threshold=131072",
}


class Count(NamedTuple):
    """Instructions an item, and their ratio to the yardstick's."""

    instructions: float
    ratio: float


class Host(NamedTuple):
    """What counts depend on, beside the code."""

    python: str
    machine: str

    def __str__(self) -> str:
        return f"Python {self.python} on {self.machine}"


class Stored(NamedTuple):
    """What counts.json keeps."""

    host: Host
    counts: dict[str, Count]


# --- counting


def environment(twin: str, cache: str) -> dict[str, str]:
    """Return what a child is told. Modules come from `cache`: compiling them moves blocks, too, and takes longer."""
    extension = "0" if twin == PURE else "1"
    return {**os.environ, **FIXED, "REACTOR_EXTENSION": extension, "PYTHONPYCACHEPREFIX": cache}


def collected(text: str) -> list[int]:
    """Return the instructions that callgrind says it has counted, by process in the order of their ends."""
    return [int(each) for each in re.findall(r"Collected : (\d+)", text)]


def an_item(work: Work, few: int, many: int) -> float:
    """Return the instructions an item: what more rounds add, so that starting isn't in it."""
    return (many - few) / (work.rounds * work.items)


def count_group(twin: str, names: Sequence[str]) -> dict[str, float]:
    """Count workloads of one twin, one after the other; once without valgrind, which fills the cache."""
    command = [sys.executable, str(HERE / "counted.py"), *names]
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    with TemporaryDirectory() as cache:
        told = environment(twin, cache)
        subprocess.run(command, env=told, check=True)
        done = subprocess.run([*callgrind, *command], env=told, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    counts = iter(collected(done.stderr))
    return {twin + name: an_item(WORK[name], next(counts), next(counts)) for name in names}


def groups_of(names: Sequence[str], parts: int) -> list[tuple[str, list[str]]]:
    """Return the names by twin, those of a twin in so many parts."""
    pure = [name.removeprefix(PURE) for name in names if name.startswith(PURE)]
    compiled = [name for name in names if not name.startswith(PURE)]
    groups = [(twin, each[part::parts]) for twin, each in ((COMPILED, compiled), (PURE, pure)) for part in range(parts)]
    return [(twin, each) for twin, each in groups if each]


def count(names: Sequence[str]) -> dict[str, Count]:
    """Count workloads, a group on each core."""
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        parts = pool.map(lambda group: count_group(*group), groups_of(names, cores))
        found = {name: each for part in parts for name, each in part.items()}
    return {name: Count(found[name], found[name] / found[YARDSTICK]) for name in names}


# --- storing


def this_host() -> Host:
    return Host(".".join(platform.python_version_tuple()[:2]), platform.machine())


def store(counts: Mapping[str, Count]) -> None:
    """Write what later counts are held against."""
    kept = {name: Count(round(each.instructions, 1), float(f"{each.ratio:.5g}")) for name, each in counts.items()}
    lines = {name: each._asdict() for name, each in kept.items()}
    STORED.write_text(json.dumps({**this_host()._asdict(), "counts": lines}, indent=1) + "\n")


def read_stored() -> Stored | None:
    """Return what is stored, None for nothing."""
    if not STORED.exists():
        return None
    kept = json.loads(STORED.read_text())
    counts = {name: Count(**each) for name, each in kept["counts"].items()}
    return Stored(Host(kept["python"], kept["machine"]), counts)


# --- judging


def change(now: Count, stored: Count) -> float:
    return now.ratio / stored.ratio - 1


def describe(name: str, now: Count, stored: Count) -> str:
    more = change(now, stored)
    ratios = f"{now.ratio:.4f} of the yardstick, stored is {stored.ratio:.4f}"
    return f"{name}: {abs(more):.1%} {'more' if more > 0 else 'less'} instructions: {ratios}"


def worse(counts: Mapping[str, Count], stored: Mapping[str, Count]) -> list[str]:
    """Return a line for each workload that takes too many instructions, or has nothing to be held against."""
    lines = []
    for name, now in counts.items():
        if name not in stored:
            lines.append(f"{name}: nothing is stored for it: --store")
        elif change(now, stored[name]) > TOLERANCE:
            lines.append(describe(name, now, stored[name]))
    return lines


def better(counts: Mapping[str, Count], stored: Mapping[str, Count]) -> list[str]:
    """Return a line for each workload whose stored figure has become too easy to keep."""
    return [
        f"{describe(name, now, stored[name])}; store it: --store"
        for name, now in counts.items()
        if name in stored and change(now, stored[name]) < -TOLERANCE
    ]


def unlike(counts: Mapping[str, Count], here: Host, stored: Stored) -> str | None:
    """Return why the stored figures say nothing about this interpreter, None if they do."""
    if here != stored.host:
        return f"{STORED.name} is for {stored.host}, this is {here}"
    now, then = counts[YARDSTICK].instructions, stored.counts[YARDSTICK].instructions
    if abs(now / then - 1) > SAME_BUILD:
        return f"the yardstick takes {now:,.0f} instructions, stored are {then:,.0f}: another build of Python"
    return None


def check(counts: Mapping[str, Count], stored: Stored | None) -> int:
    """Say what has changed; return the exit status."""
    if stored is None:
        print(f"\nthere is no {STORED.name} to hold counts against: --store writes it")
        return 1
    if reason := unlike(counts, this_host(), stored):
        print(f"\nNOTHING IS HELD: {reason}")
        return 0
    faults = worse(counts, stored.counts)
    lines = [*faults, *better(counts, stored.counts)] or [f"all within {TOLERANCE:.0%} of what is stored"]
    print("", *lines, sep="\n")
    return 1 if faults else 0


# --- showing


def row(name: str, now: Count, stored: Count | None) -> str:
    line = f"  {name:38} {now.instructions:12,.1f} {now.ratio:12.4f}x"
    return line if stored is None else f"{line} {stored.ratio:10.4f}x {change(now, stored):+8.1%}"


def show(counts: Mapping[str, Count], stored: Stored | None) -> None:
    print(f"\ninstructions an item, {this_host()}")
    print(f"  {'':38} {'instructions':>12} {'to yardstick':>13} {'stored':>11} {'change':>8}")
    for name, now in counts.items():
        print(row(name, now, stored.counts.get(name) if stored else None))


def main() -> None:
    parser = argparse.ArgumentParser(description="Count instructions, and hold them against what is stored.")
    parser.add_argument(
        "--only", nargs="*", default=NAMES, choices=NAMES, metavar="NAME", help="workloads (default: all)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="exit with 1 where there are more than stored")
    what.add_argument("--store", action="store_true", help="hold later counts against these")
    args = parser.parse_args()
    names = [name for name in NAMES if name in args.only or name == YARDSTICK]
    if args.store and names != NAMES:
        parser.error("--store needs all workloads: no --only")
    if shutil.which("valgrind") is None:
        parser.error("valgrind is missing: apt-get install valgrind")
    counts, stored = count(names), read_stored()
    show(counts, stored)
    if args.store:
        store(counts)
    elif args.check:
        sys.exit(check(counts, stored))


if __name__ == "__main__":
    main()
