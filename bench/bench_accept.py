"""CPU of an echo server per connection: accepted, one message echoed, closed. In turns within one run."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from bench_echo import QUICK, SERVERS
from race import FLOOR, LOAD_CORE, OUT, Figures, Program, Window, allow_descriptors, build, server
from results import save

AT_ONCE, SIZE = 64, 64
CONNECTIONS = 1000  # a window; their ports rest for a second, and each server has 28,000


class Dialer:
    """One server with connections that come and go."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.server = stack.enter_context(server(name))
        words = [self.server.hear(), str(AT_ONCE), str(SIZE)]
        self._dial = stack.enter_context(Program(LOAD_CORE, [str(OUT / "dial"), *words], {}))
        assert self._dial.hear() == "ready"

    def window(self) -> Window:
        before = self.server.cpu_ns()
        self._dial.tell(str(CONNECTIONS))
        connections, nanoseconds = map(int, self._dial.hear().split())
        return Window((self.server.cpu_ns() - before) / connections / 1e3, connections / nanoseconds * 1e9)


def measure(names: list[str], rounds: int) -> dict[str, Figures]:
    """Make a window of each server to warm up, then windows in turns."""
    found: dict[str, Figures] = {name: Figures([]) for name in names}
    with ExitStack() as stack:
        dialers = {name: Dialer(name, stack) for name in names}
        for dialer in dialers.values():
            dialer.window()
        for _ in range(rounds):
            for name, dialer in dialers.items():
                found[name].windows.append(dialer.window())
    return found


def show(found: dict[str, Figures], rounds: int) -> None:
    print(f"\naccept, echo {SIZE} B, close; {AT_ONCE} at once: server CPU a connection, least of {rounds}")
    print(f"  {'':28} {'least':>9} {'median':>9} {'to floor':>9} {'connections/s':>14}")
    floor = found[FLOOR].least if FLOOR in found else float("nan")
    for name, each in found.items():
        print(f"  {name:28} {each.least:7.1f}us {each.median:7.1f}us {each.least / floor:8.2f}x {each.rate:14,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a connection costs echo servers, in turns.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*", default=SERVERS, help="servers (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer servers, fewer rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    names, rounds = (QUICK, 3) if args.quick else (args.only, args.rounds)
    build()
    allow_descriptors()
    found = measure(names, rounds)
    show(found, rounds)
    if args.json:
        save(args.json, rounds, {"servers": {name: each.plain() for name, each in found.items()}})


if __name__ == "__main__":
    main()
