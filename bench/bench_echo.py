"""CPU of an echo server per message: ours, the C floor, and the peers, in one table, in turns within one run.

The server runs on one core and the load on the other. The figure is the server's user and system time, from the
kernel's accounting (/proc/PID/schedstat, nanoseconds), divided by the messages that came back: the least of the rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
SERVER_CORE, LOAD_CORE = 0, 1

FLOOR = "C floor"
TUNED = "uvloop_tuned"


class Case(NamedTuple):
    connections: int
    in_flight: int
    size: int

    def __str__(self) -> str:
        size = f"{self.size} B" if self.size < 1024 else f"{self.size // 1024} KiB"
        return f"{self.connections:,} x {self.in_flight} x {size}"


CASES = [Case(50, 1, 64), Case(50, 32, 64), Case(10, 1, 16384), Case(5000, 1, 64)]
MORE = [Case(1, 1, 64), Case(50, 1, 1024), Case(10, 1, 1 << 20), Case(1000, 1, 64)]


def build() -> None:
    """Compile the floor and the load."""
    OUT.mkdir(exist_ok=True)
    for name in ("echo", "load"):
        subprocess.run(["gcc", "-O2", "-o", str(OUT / name), str(HERE / "floor" / f"{name}.c")], check=True)


def command_of(name: str) -> tuple[list[str], dict[str, str]]:
    """Return how to start a server, and what to add to its environment."""
    if name == FLOOR:
        return [str(OUT / "echo")], {}
    twin, _, rest = name.partition(":")
    extension = {"pure": "0", "compiled": "1"}.get(twin, "")
    return [sys.executable, str(HERE / "servers.py"), rest or twin], {"REACTOR_EXTENSION": extension}


def cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


def measure(name: str, case: Case, warm_ms: int, measured_ms: int) -> tuple[float, float]:
    """Return the server's CPU in microseconds a message, and messages a second."""
    command, extra = command_of(name)
    server = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **extra}
    )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().strip()
        words = [str(word) for word in (port, *case, warm_ms, measured_ms)]
        load = ["taskset", "-c", str(LOAD_CORE), str(OUT / "load"), *words]
        with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "start\n"
            before = cpu_ns(server.pid)
            messages = int(running.stdout.readline().split()[1])
            spent = cpu_ns(server.pid) - before
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    return spent / messages / 1e3, messages / (measured_ms / 1e3)


def compare(
    names: Sequence[str], cases: Sequence[Case], rounds: int, measured_ms: int
) -> dict[Case, dict[str, list[float]]]:
    """Measure every server in every case, in turns."""
    found: dict[Case, dict[str, list[float]]] = {case: {name: [] for name in names} for case in cases}
    for case in cases:
        for _ in range(rounds):
            for name in names:
                found[case][name].append(measure(name, case, 300, measured_ms)[0])
    return found


def show(found: dict[Case, dict[str, list[float]]]) -> None:
    """Print one table a case: least, spread, and the ratios that count."""
    for case, figures in found.items():
        print(f"\n{case}: server CPU a message, least of {len(next(iter(figures.values())))}")
        print(f"  {'':28} {'least':>9} {'median':>9} {'to floor':>9} {'to uvloop tuned':>16}")
        least = {name: min(times) for name, times in figures.items()}
        for name, times in figures.items():
            median = sorted(times)[len(times) // 2]
            to_floor = f"{least[name] / least[FLOOR]:8.2f}x" if FLOOR in least else ""
            to_tuned = f"{least[name] / least[TUNED]:15.2f}x" if TUNED in least else ""
            print(f"  {name:28} {least[name]:7.3f}us {median:7.3f}us {to_floor} {to_tuned}")


NAMES = [
    FLOOR,
    "compiled:reactor_messages",
    "compiled:reactor_reads",
    "pure:reactor_messages",
    "pure:reactor_reads",
    "asyncio_plain",
    "asyncio_tuned",
    "uvloop_plain",
    TUNED,
    "twisted_plain",
    "twisted_tuned",
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure echo servers, in turns.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--milliseconds", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=NAMES, help="servers (default: all)")
    parser.add_argument("--cases", nargs="*", type=int, default=range(len(CASES)), help="numbers of cases, from 0")
    args = parser.parse_args()
    build()
    cases = [[*CASES, *MORE][number] for number in args.cases]
    show(compare(args.only, cases, args.rounds, args.milliseconds))


if __name__ == "__main__":
    main()
