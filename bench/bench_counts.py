"""Instructions and system calls an item, counted by valgrind, and held against those in counts.json.

A time depends on who else uses the machine; a count doesn't, so that a few percent more instructions are seen, and one
system call more, and nothing flakes. It tells less: not how long the kernel takes for a call, and not what a cache miss
costs.
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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from counted import WORK, Work
from race import make_certificate

HERE = Path(__file__).resolve().parent
STORED = HERE / "counts.json"
YARDSTICK = "yardstick"
COMPILED, PURE = "", "pure:"  # the twin, as it stands before a workload's name
BY_BOTH = ("ping-pong", "pipelined", "raw, 64 B", "TLS, ping-pong", "datagrams")  # workloads whose names begin so
NAMES = [*WORK, *(PURE + name for name in WORK if name.startswith(BY_BOTH))]

# How far instructions of the same code were apart (CPython 3.11): 0.1% at most in two runs on busy cores, most of them
# alike to the instruction, over TLS too. Another folder, environment, hash seed or order of the workloads moves where
# blocks lie: 0.5%, and 3% for a connection alone. So does a change elsewhere in the code: up to 2%.
TOLERANCE = 0.05

# System calls repeat to the last one; a version of the C library may ask for memory otherwise.
CALLS_TOLERANCE = 0.02

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


COLLECTED = re.compile(r"==(\d+)== Collected : (\d+)")
MARK = "getppid"  # stands before and behind a turn
NOT_IN_THE_KERNEL = ("clock_gettime", "gettimeofday", "time", "getcpu")  # but under valgrind


class Raw(NamedTuple):
    """What one process did: instructions from its start, and system calls inside turns."""

    instructions: int
    calls: int


class Count(NamedTuple):
    """Instructions an item, their ratio to the yardstick's, and the system calls of the turns an item."""

    instructions: float
    ratio: float
    calls: float


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


def calls_in_turns(text: str) -> dict[str, int]:
    """Return how many system calls a trace has between marks, by process."""
    found: dict[str, int] = {}
    inside: set[str] = set()
    for process, name in re.findall(r"SYSCALL\[(\d+),\d+\]\(\s*\d+\) sys_(\w+)", text):
        if name == MARK:
            inside ^= {process}
        elif process in inside and name not in NOT_IN_THE_KERNEL:
            found[process] = found.get(process, 0) + 1
    return found


def raws(text: str) -> list[Raw]:
    """Return what callgrind says it has counted, by process in the order of their ends."""
    calls = calls_in_turns(text)
    return [Raw(int(count), calls.get(process, 0)) for process, count in COLLECTED.findall(text)]


def an_item(work: Work, few: int, many: int) -> float:
    """Return how much an item takes: what more rounds add, so that starting isn't in it."""
    return (many - few) / (work.rounds * work.items)


def count_group(twin: str, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Count workloads of one twin, one after the other; once without valgrind, which fills the cache."""
    command = [sys.executable, str(HERE / "counted.py"), *names]
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-syscalls=yes"]
    with TemporaryDirectory() as cache:
        told = environment(twin, cache)
        subprocess.run(command, env=told, check=True)
        done = subprocess.run([*callgrind, *command], env=told, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    found, each = {}, iter(raws(done.stderr))
    for name in names:
        pairs = zip(next(each), next(each), strict=True)
        instructions, calls = (an_item(WORK[name], few, many) for few, many in pairs)
        found[twin + name] = instructions, calls
    return found


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
    yardstick, _ = found[YARDSTICK]
    return {name: Count(found[name][0], found[name][0] / yardstick, found[name][1]) for name in names}


# --- storing


def this_host() -> Host:
    return Host(".".join(platform.python_version_tuple()[:2]), platform.machine())


def store(counts: Mapping[str, Count]) -> None:
    """Write what later counts are held against."""
    kept = {
        name: Count(round(each.instructions, 1), float(f"{each.ratio:.5g}"), round(each.calls, 4))
        for name, each in counts.items()
    }
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


def change(now: float, stored: float) -> float:
    """Return by how much this is more; what was nothing is more by all of it."""
    return now / stored - 1 if stored else now


def compare(name: str, now: Count, stored: Count) -> Iterator[tuple[float, str]]:
    """Yield by how many tolerances each figure has changed, and what to say of it."""
    more = change(now.ratio, stored.ratio)
    ratios = f"{now.ratio:.4f} of the yardstick, stored is {stored.ratio:.4f}"
    yield more / TOLERANCE, f"{name}: {more:+.1%} instructions: {ratios}"
    more = change(now.calls, stored.calls)
    yield more / CALLS_TOLERANCE, f"{name}: {now.calls:.4g} system calls, stored are {stored.calls:.4g}"


def worse(counts: Mapping[str, Count], stored: Mapping[str, Count]) -> list[str]:
    """Return a line for each figure that is too large, or has nothing to be held against."""
    lines = [f"{name}: nothing is stored for it: --store" for name in counts if name not in stored]
    pairs = [each for name in counts if name in stored for each in compare(name, counts[name], stored[name])]
    return [*lines, *(text for tolerances, text in pairs if tolerances > 1)]


def better(counts: Mapping[str, Count], stored: Mapping[str, Count]) -> list[str]:
    """Return a line for each stored figure that has become too easy to keep."""
    pairs = [each for name in counts if name in stored for each in compare(name, counts[name], stored[name])]
    return [f"{text}; store it: --store" for tolerances, text in pairs if tolerances < -1]


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
    fine = f"all within {TOLERANCE:.0%} of the stored instructions, {CALLS_TOLERANCE:.0%} of the system calls"
    lines = [*faults, *better(counts, stored.counts)] or [fine]
    print("", *lines, sep="\n")
    return 1 if faults else 0


# --- showing


def row(name: str, now: Count, stored: Count | None) -> str:
    line = f"  {name:41} {now.instructions:12,.1f} {now.ratio:9.4f}x"
    if stored is None:
        return f"{line} {now.calls:27.4f}"
    changes = f"{stored.ratio:9.4f}x {change(now.ratio, stored.ratio):+7.1%}"
    return f"{line} {changes} {now.calls:8.4f} {stored.calls:8.4f} {change(now.calls, stored.calls):+7.1%}"


def show(counts: Mapping[str, Count], stored: Stored | None) -> None:
    print(f"\nan item, {this_host()}")
    heads = (
        f"{'instructions':>12} {'to yard':>10} {'stored':>10} {'change':>7} {'calls':>8} {'stored':>8} {'change':>7}"
    )
    print(f"  {'':41} {heads}")
    for name, now in counts.items():
        print(row(name, now, stored.counts.get(name) if stored else None))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Count instructions and system calls, and hold them against what is stored."
    )
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
    make_certificate()
    counts, stored = count(names), read_stored()
    show(counts, stored)
    if args.store:
        store(counts)
    elif args.check:
        sys.exit(check(counts, stored))


if __name__ == "__main__":
    main()
