"""Memory of an echo server per idle connection: its private pages before and behind some thousand more connections."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from options import arguments, servers_of
from race import Case, Program, build, load, server
from results import median, save


class Idle(NamedTuple):
    """A server of a kind, and its connections, which come over a road of their own; whether they say anything."""

    title: str
    kind: str
    road: str
    before: int  # connections that fill the holes that starting has left
    more: int
    talk: bool = True


CASES = {
    "tcp": Idle("a message exchanged", "tcp", "tcp", 1000, 4000),
    "tls": Idle("TLS, a message exchanged", "tls", "tls", 500, 2000),
    "silent": Idle("a TLS server, and a peer that says nothing", "tls", "tcp", 500, 2000, talk=False),
}
LEFT_OUT = ("_plain", "_reads")
CALM = 0.05  # seconds without work: a server has taken all connections


class Memory(NamedTuple):
    """What one fresh server took: bytes for each further connection, and all in all before the first."""

    connection: float
    process: int


def private(pid: int) -> int:
    """Return the bytes that this process alone has: what it shares with others would be theirs as well."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def come_to_rest(child: Program) -> None:
    """Wait until a server has no more to do."""
    worked = -1
    while worked != (worked := child.cpu_ns()):
        time.sleep(CALM)


def fill(child: Program, address: str, idle: Idle, connections: int, stack: ExitStack) -> int:
    """Add connections, with a message on each if they talk; return what the server has then."""
    program = load(address, Case(connections, 1, 64, idle.road), stack)
    if idle.talk:
        program.tell("echo 1")
        program.hear()
    come_to_rest(child)
    return private(child.pid)


def measure(name: str, idle: Idle) -> Memory:
    """Start a server; the first connections pay for what is made once, the others are counted."""
    with ExitStack() as stack:
        child = server(name, idle.kind, stack)
        address, process = child.hear(), private(child.pid)
        before = fill(child, address, idle, idle.before, stack)
        after = fill(child, address, idle, idle.more, stack)
        child.end()  # before the load does, or it reports all handshakes that failed
    return Memory((after - before) / idle.more, process)


def show(idle: Idle, found: dict[str, list[Memory]], rounds: int) -> None:
    print(f"\nprivate memory, {idle.title}: each of {idle.more:,} idle connections, least of {rounds}")
    print(f"  {'':28} {'least':>10} {'median':>10} {'server at its start':>20}")
    for name, each in found.items():
        middle, process = median([one.connection for one in each]), min(one.process for one in each)
        print(f"  {name:28} {least(each):8,.0f} B {middle:8,.0f} B {process / 2**20:16.1f} MiB", flush=True)


def least(each: Sequence[Memory]) -> float:
    return min(one.connection for one in each)


def plain(each: Sequence[Memory]) -> dict[str, object]:
    return {"least": least(each), "process": min(one.process for one in each), "rounds": [*map(list, each)]}


def main() -> None:
    description = "Measure what an idle connection takes, a fresh server each time."
    args = arguments(description, 3, list(CASES), list(CASES)).parse_args()
    rounds = 1 if args.quick else args.rounds
    build()
    cases = {}
    for word in args.cases:
        idle = CASES[word]
        names = [name for name in servers_of(idle.kind, args) if not any(part in name for part in LEFT_OUT)]
        found: dict[str, list[Memory]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                found[name].append(measure(name, idle))
        show(idle, found, rounds)
        cases[word] = {name: plain(each) for name, each in found.items()}
    if args.json:
        save(args.json, rounds, {"cases": cases})


if __name__ == "__main__":
    main()
