"""CPU of an echo server per message: ours, the C floor, and the peers, in one table, in turns within one run."""

from __future__ import annotations

import argparse

from race import FLOOR, Case, Figures, build, race

TUNED = "uvloop_tuned"

PROMISED = [Case(50, 1, 64), Case(50, 32, 64), Case(10, 1, 16 << 10), Case(5000, 1, 64)]
MATRIX = [
    Case(connections, in_flight, size)
    for in_flight, size in [(1, 64), (32, 64), (1, 1 << 10), (1, 16 << 10), (1, 1 << 20)]
    for connections in (1, 50, 1000)
]

SERVERS = [
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


def show(case: Case, figures: dict[str, Figures]) -> None:
    """Print a table: least, spread, and the ratios that count."""
    rounds = len(figures[FLOOR].windows)
    print(f"\n{case}: server CPU a message, least of {rounds}")
    print(f"  {'':28} {'least':>9} {'median':>9} {'to floor':>9} {'to uvloop tuned':>16} {'messages/s':>12}")
    for name, each in figures.items():
        to_floor = f"{each.least / figures[FLOOR].least:8.2f}x"
        to_tuned = f"{each.least / figures[TUNED].least:15.2f}x" if TUNED in figures else ""
        print(f"  {name:28} {each.least:7.3f}us {each.median:7.3f}us {to_floor} {to_tuned} {each.rate:12,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure echo servers, in turns.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--milliseconds", type=int, default=150)
    parser.add_argument("--only", nargs="*", default=SERVERS, help="servers (default: all)")
    parser.add_argument("--cases", nargs="*", type=int, default=range(len(PROMISED)), help="numbers of cases, from 0")
    args = parser.parse_args()
    build()
    for number in args.cases:
        case = [*PROMISED, *MATRIX][number]
        show(case, race(case, args.only, args.rounds, args.milliseconds))


if __name__ == "__main__":
    main()
