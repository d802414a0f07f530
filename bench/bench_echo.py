"""CPU of a server per message: ours, the C floor, and the peers, in one table, in turns within one run."""

from __future__ import annotations

from typing import Any

from options import arguments, best_peer, case_of, ratio, servers_of
from race import FLOOR, Case, Figures, Runner, build, in_turns
from results import save

PROMISED = [Case(50, 1, 64), Case(50, 32, 64), Case(10, 1, 16 << 10), Case(50, 1, 16 << 10), Case(5000, 1, 64)]
MATRIX = [
    Case(connections, in_flight, size)
    for in_flight, size in [(1, 64), (32, 64), (1, 1 << 10), (1, 16 << 10), (1, 1 << 20)]
    for connections in (1, 50, 1000)
]
SETS = {
    "promised": PROMISED,
    "raw": [Case(50, 1, 64, "raw"), Case(10, 1, 16 << 10, "raw")],
    "tls": [Case(50, 1, 64, "tls"), Case(50, 32, 64, "tls"), Case(10, 1, 16 << 10, "tls")],
    "unix": [Case(50, 1, 64, "unix"), Case(50, 32, 64, "unix"), Case(10, 1, 16 << 10, "unix")],
    "broadcast": [Case(300, 1, 64, "broadcast")],
    "aio": [Case(50, 1, 64, "aio"), Case(50, 32, 64, "aio")],
    "matrix": MATRIX,
}

HEAVY = 256 << 20  # bytes a window carries at least, in seconds rather than milliseconds
HEAVY_ROUNDS = 3


def cases_of(words: list[str]) -> list[Case]:
    """Return the cases that are meant, each once."""
    found: dict[Case, None] = {}
    for word in words:
        found.update(dict.fromkeys(SETS.get(word) or [case_of(word)]))
    return list(found)


def show(case: Case, figures: dict[str, Figures]) -> None:
    """Print a table: least, spread, and the ratios that count."""
    rounds = len(next(iter(figures.values())).windows)
    item = "delivery" if case.kind == "broadcast" else "message"
    print(f"\n{case}: server CPU a {item}, least of {rounds}")
    print(f"  {'':28} {'least':>9} {'median':>9} {'to floor':>9} {'to best peer':>13} {'messages/s':>12}")
    best = best_peer(figures)
    for name, each in figures.items():
        to_floor, to_best = ratio(each, figures.get(FLOOR)), ratio(each, best)
        print(
            f"  {name:28} {each.least:7.3f}us {each.median:7.3f}us {to_floor:>9} {to_best:>13} {each.rate:12,.0f}",
            flush=True,
        )


def plain(case: Case, figures: dict[str, Figures]) -> dict[str, Any]:
    """Return one case for JSON."""
    return {
        **case._asdict(),
        "sets": [name for name, cases in SETS.items() if case in cases],
        "servers": {name: each.plain() for name, each in figures.items()},
    }


def race(case: Case, names: list[str], rounds: int, milliseconds: int) -> dict[str, Figures]:
    """Measure all servers in one case."""
    order = f"{case.verb} {milliseconds}"
    found = in_turns(
        names, lambda name, stack: Runner(name, case, stack), lambda runner: runner.measure(order)[0], rounds
    )
    return {name: Figures(windows) for name, windows in found.items()}


def main() -> None:
    parser = arguments("Measure servers per message, in turns.", 15, [*SETS, "or forms as tls:50x1x64"], ["promised"])
    parser.add_argument("--milliseconds", type=int, default=150, help="how long a window is")
    args = parser.parse_args()
    rounds, milliseconds = (5, 80) if args.quick else (args.rounds, args.milliseconds)
    build()
    found = []
    for case in cases_of(args.cases):
        if not (names := servers_of(case.kind, args)):
            continue
        few = min(rounds, HEAVY_ROUNDS) if case.bytes > HEAVY else rounds
        figures = race(case, names, few, milliseconds)
        show(case, figures)
        found.append(plain(case, figures))
    if args.json:
        save(args.json, rounds, {"milliseconds": milliseconds, "cases": found})


if __name__ == "__main__":
    main()
