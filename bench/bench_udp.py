"""CPU of a server per datagram: ours, the C floor, asyncio and uvloop, in one table, in turns within one run.

As bench_echo.py; `udp_servers.py` has who takes part. A load in C keeps so many datagrams under way on each socket.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from options import best_peer, ratio
from race import FLOOR, HERE, LOAD_CORE, OUT, SERVER_CORE, Figures, Program, Window, in_turns
from results import save

SERVERS = [FLOOR, "compiled:reactor", "pure:reactor", "asyncio", "uvloop"]
PROMISED = ["50x1x64", "50x2x64", "1x1x64", "50x1x1400"]


class Case(NamedTuple):
    peers: int
    in_flight: int
    size: int

    def __str__(self) -> str:
        return f"udp, {self.peers} x {self.in_flight} x {self.size} B"


class Runner:
    """One server with its load, at rest between windows."""

    def __init__(self, name: str, case: Case, stack: ExitStack) -> None:
        twin, _, library = name.rpartition(":")
        extra = {"REACTOR_EXTENSION": {"pure": "0", "compiled": "1"}[twin]} if twin else {}
        ours = [sys.executable, str(HERE / "udp_servers.py"), library]
        command = [str(OUT / "udp_echo")] if name == FLOOR else ours
        self.server = stack.enter_context(Program(SERVER_CORE, command, extra))
        numbers = map(str, (self.server.hear(), *case))
        self._load = stack.enter_context(Program(LOAD_CORE, [str(OUT / "udp_load"), *numbers], {}))
        assert self._load.hear() == "ready"

    def measure(self, milliseconds: int) -> Window:
        before = self.server.cpu_ns()
        self._load.tell(str(milliseconds))
        datagrams, nanoseconds = map(int, self._load.hear().split())
        return Window((self.server.cpu_ns() - before) / datagrams / 1e3, datagrams / nanoseconds * 1e9)


def build() -> None:
    OUT.mkdir(exist_ok=True)
    for name in ("udp_echo", "udp_load"):
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(OUT / name), str(HERE / "floor" / f"{name}.c")], check=True)


def show(case: Case, figures: dict[str, Figures]) -> None:
    """Print a table: least, spread, and the ratios that count."""
    rounds = len(next(iter(figures.values())).windows)
    print(f"\n{case}: server CPU a datagram that comes back, least of {rounds}")
    print(f"  {'':20} {'least':>9} {'median':>9} {'to floor':>9} {'to best peer':>13} {'datagrams/s':>12}")
    best = best_peer(figures)
    for name, each in figures.items():
        to_floor, to_best = ratio(each, figures.get(FLOOR)), ratio(each, best)
        numbers = f"{each.least:7.3f}us {each.median:7.3f}us {to_floor:>9} {to_best:>13} {each.rate:12,.0f}"
        print(f"  {name:20} {numbers}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure UDP echo servers per datagram, in turns.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--milliseconds", type=int, default=150, help="how long a window is")
    parser.add_argument("--only", nargs="*", choices=SERVERS, metavar="NAME", default=SERVERS)
    parser.add_argument("--cases", nargs="*", default=PROMISED, metavar="PEERSxIN_FLIGHTxSIZE")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter windows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    rounds, milliseconds = (5, 80) if args.quick else (args.rounds, args.milliseconds)
    build()
    os.environ["PYTHONPATH"] = str(HERE.parent)
    found = []
    for case in (Case(*map(int, word.split("x"))) for word in args.cases):
        windows = in_turns(
            args.only,
            lambda name, stack, case=case: Runner(name, case, stack),
            lambda runner: runner.measure(milliseconds),
            rounds,
        )
        figures = {name: Figures(each) for name, each in windows.items()}
        show(case, figures)
        found.append({**case._asdict(), "servers": {name: each.plain() for name, each in figures.items()}})
    if args.json:
        save(args.json, rounds, {"milliseconds": milliseconds, "cases": found})


if __name__ == "__main__":
    main()
