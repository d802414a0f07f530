"""Memory of an echo server per idle connection: its private pages before and behind 4,000 more connections."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench_echo import QUICK, TUNED
from race import FLOOR, Case, Program, allow_descriptors, build, load, server
from results import median, save

BEFORE, MORE = Case(1000, 1, 64), Case(4000, 1, 64)  # the first fill the holes that starting has left
SERVERS = [
    FLOOR,
    "compiled:reactor_messages",
    "pure:reactor_messages",
    "asyncio_tuned",
    TUNED,
    "twisted_tuned",
]


class Memory(NamedTuple):
    """What one fresh server took: bytes for each further connection, and all in all before the first."""

    connection: float
    process: int


def private(pid: int) -> int:
    """Return the bytes that this process alone has: what it shares with others would be theirs as well."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def exchange(program: Program) -> None:
    """Make the shortest window: a message on each connection, and then rest."""
    program.tell("1")
    program.hear()


def measure(name: str) -> Memory:
    """Start a server; the first connections pay for what is made once, the others are counted."""
    with ExitStack() as stack:
        child = stack.enter_context(server(name))
        port, process = child.hear(), private(child.pid)
        exchange(load(port, BEFORE, stack))
        before = private(child.pid)
        exchange(load(port, MORE, stack))
        return Memory((private(child.pid) - before) / MORE.connections, process)


def show(found: dict[str, list[Memory]], rounds: int) -> None:
    print(
        f"\nprivate memory: each of {MORE.connections:,} idle connections, least of {rounds}; the server at its start"
    )
    print(f"  {'':28} {'least':>9} {'median':>9} {'to uvloop tuned':>16} {'at its start':>13}")
    tuned = least(found[TUNED]) if TUNED in found else float("nan")
    for name, each in found.items():
        middle, process = median([one.connection for one in each]), min(one.process for one in each)
        ratio = f"{least(each) / tuned:15.2f}x"
        print(f"  {name:28} {least(each):7,.0f} B {middle:7,.0f} B {ratio} {process / 2**20:9.1f} MiB", flush=True)


def least(each: Sequence[Memory]) -> float:
    return min(one.connection for one in each)


def plain(each: Sequence[Memory]) -> dict[str, object]:
    return {"least": least(each), "process": min(one.process for one in each), "rounds": [*map(list, each)]}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what an idle connection takes, a fresh server each time.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=SERVERS, help="servers (default: all)")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    names, rounds = (QUICK, 1) if args.quick else (args.only, args.rounds)
    build()
    allow_descriptors()
    found: dict[str, list[Memory]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(measure(name))
    show(found, rounds)
    if args.json:
        save(args.json, rounds, {"servers": {name: plain(each) for name, each in found.items()}})


if __name__ == "__main__":
    main()
