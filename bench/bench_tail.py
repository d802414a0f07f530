"""How long a message waits: an open loop at a fixed rate, from the moment it was due until its echo is there.

A load that waits for an answer before it sends again is slowed down by what it measures. Here messages are due at a
fixed rate, in turns over the connections; one that leaves late, for the load was busy or the socket full, has waited.
"""

from __future__ import annotations

from typing import NamedTuple

from options import arguments, case_of, servers_of
from race import Case, Runner, build, in_turns
from results import median, save

RATES = [10_000, 30_000]
CASES = {kind: Case(50, 1, 64, kind) for kind in ("tcp", "tls", "unix")}
SHARES = ("p50", "p99", "p99.9", "most")


class Waits(NamedTuple):
    """What one window showed: microseconds within which 50%, 99%, 99.9% and all came; the server's CPU a message."""

    waits: list[float]
    cpu: float


def window(runner: Runner, milliseconds: int, rate: int) -> Waits:
    found, waits = runner.measure(f"pace {milliseconds} {rate}")
    return Waits([each / 1e3 for each in waits], found.cpu)


def show(case: Case, rate: int, found: dict[str, list[Waits]]) -> None:
    """Print the least of the windows, and the median behind it."""
    rounds = len(next(iter(found.values())))
    print(f"\n{case}, {rate:,} messages/s: us from due to echoed, least / median of {rounds} windows")
    print(f"  {'':28} {'CPU':>8} " + " ".join(f"{share:>15}" for share in SHARES))
    for name, windows in found.items():
        columns = zip(*(each.waits for each in windows), strict=True)
        text = " ".join(f"{min(column):7,.0f} /{median(column):6,.0f}" for column in columns)
        print(f"  {name:28} {min(each.cpu for each in windows):6.2f}us {text}", flush=True)


def measure(case: Case, names: list[str], rate: int, rounds: int, milliseconds: int) -> dict[str, list[Waits]]:
    return in_turns(
        names,
        lambda name, stack: Runner(name, case, stack),
        lambda runner: window(runner, milliseconds, rate),
        rounds,
    )


def main() -> None:
    names = [*CASES, "or forms as tls:50x1x64"]
    parser = arguments("Measure how long messages wait, in turns.", 9, names, ["tcp", "tls"])
    parser.add_argument("--milliseconds", type=int, default=1000, help="how long a window is")
    parser.add_argument("--rates", nargs="*", type=int, default=RATES, help="messages a second (default: %(default)s)")
    args = parser.parse_args()
    rounds, milliseconds = (3, 300) if args.quick else (args.rounds, args.milliseconds)
    build()
    cases = []
    for case in [CASES.get(word) or case_of(word) for word in args.cases]:
        for rate in args.rates if servers_of(case.kind, args) else ():
            found = measure(case, servers_of(case.kind, args), rate, rounds, milliseconds)
            show(case, rate, found)
            servers = {name: [each._asdict() for each in windows] for name, windows in found.items()}
            cases.append({**case._asdict(), "rate": rate, "servers": servers})
    if args.json:
        save(args.json, rounds, {"milliseconds": milliseconds, "shares": SHARES, "cases": cases})


if __name__ == "__main__":
    main()
