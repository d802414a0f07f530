"""CPU of an echo server per message: ours, the C floor, and the peers, in one table, in turns within one run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from race import FLOOR, Case, Figures, build, race
from results import save

TUNED = "uvloop_tuned"

PROMISED = [Case(50, 1, 64), Case(50, 32, 64), Case(10, 1, 16 << 10), Case(5000, 1, 64)]
MATRIX = [
    Case(connections, in_flight, size)
    for in_flight, size in [(1, 64), (32, 64), (1, 1 << 10), (1, 16 << 10), (1, 1 << 20)]
    for connections in (1, 50, 1000)
]
SETS = {"promised": PROMISED, "matrix": MATRIX}

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
QUICK = [FLOOR, "compiled:reactor_messages", "pure:reactor_messages", "asyncio_tuned", TUNED, "twisted_tuned"]

HEAVY = 256 << 20  # bytes a window carries at least, in seconds rather than milliseconds
HEAVY_ROUNDS = 3


def cases_of(words: list[str]) -> list[Case]:
    """Return the cases that are meant, each once."""
    found: dict[Case, None] = {}
    for word in words:
        found.update(dict.fromkeys(SETS.get(word) or [case_of(word)]))
    return list(found)


def case_of(word: str) -> Case:
    """Read CONNECTIONSxIN_FLIGHTxSIZE."""
    try:
        connections, in_flight, size = map(int, word.split("x"))
    except ValueError:
        raise SystemExit(f"{word!r} is no case: promised, matrix, or a form as 50x1x64") from None
    return Case(connections, in_flight, size)


def show(case: Case, figures: dict[str, Figures]) -> None:
    """Print a table: least, spread, and the ratios that count."""
    rounds = len(next(iter(figures.values())).windows)
    print(f"\n{case}: server CPU a message, least of {rounds}")
    print(f"  {'':28} {'least':>9} {'median':>9} {'to floor':>9} {'to uvloop tuned':>16} {'messages/s':>12}")
    for name, each in figures.items():
        to_floor, to_tuned = (ratio(each, figures.get(other)) for other in (FLOOR, TUNED))
        print(
            f"  {name:28} {each.least:7.3f}us {each.median:7.3f}us {to_floor:>9} {to_tuned:>16} {each.rate:12,.0f}",
            flush=True,
        )


def ratio(figures: Figures, other: Figures | None) -> str:
    return f"{figures.least / other.least:.2f}x" if other else ""


def plain(case: Case, figures: dict[str, Figures]) -> dict[str, Any]:
    """Return one case for JSON."""
    return {
        **case._asdict(),
        "promised": case in PROMISED,
        "servers": {name: each.plain() for name, each in figures.items()},
    }


def measure(cases: list[Case], names: list[str], rounds: int, milliseconds: int) -> list[dict[str, Any]]:
    """Race and print case by case."""
    found = []
    for case in cases:
        figures = race(case, names, min(rounds, HEAVY_ROUNDS) if case.bytes > HEAVY else rounds, milliseconds)
        show(case, figures)
        found.append(plain(case, figures))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure echo servers, in turns.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--milliseconds", type=int, default=150, help="how long a window is")
    parser.add_argument("--only", nargs="*", default=SERVERS, help="servers (default: all)")
    parser.add_argument("--cases", nargs="*", default=["promised"], help="promised, matrix, or forms as 50x1x64")
    parser.add_argument("--quick", action="store_true", help="fewer servers, fewer and shorter windows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    args = parser.parse_args()
    names, rounds, milliseconds = (QUICK, 5, 80) if args.quick else (args.only, args.rounds, args.milliseconds)
    build()
    found = measure(cases_of(args.cases), names, rounds, milliseconds)
    if args.json:
        save(args.json, rounds, {"milliseconds": milliseconds, "cases": found})


if __name__ == "__main__":
    main()
