"""bench: what a message costs a server, in the user's own case. Law: the peers are as good as we could make them.

The figure is CPU time: messages a second would be the load's as much as the server's.
"""

from __future__ import annotations

import json
import platform
import selectors
from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Any

from ..framing import Framing
from ..transport import EXTENSION
from .bench_load import Case
from .bench_race import Figures, Race
from .bench_servers import KINDS, kinds_here
from .failure import MISUSED, Failure
from .options import add_framing, add_json, between, framing_from, largest_message, seconds
from .terminal import Progress

SUMMARY = "measure CPU time per message: reactor, asyncio and uvloop"

_LIMIT = 1 << 20
_LARGEST = 64 << 20
_MOST_CONNECTIONS = 10_000  # what a server takes at most, unless its Limits say otherwise
_MOST_IN_FLIGHT = 256 << 20  # bytes; the load and the server may both hold them
_IDLE_BELOW = 0.5  # of the time: a server that works less has been waiting
_BUSY_ABOVE = 0.9  # of the time: a load that works more was waited for
_COLUMNS = ("CPU in us per message", "least", "median", "spread", "messages/s", "ratio")

FRAMINGS: dict[str, dict[str, Any]] = {  # short forms, in the words of the long one
    "int8": {"length_field_length": 1},
    "int16": {"length_field_length": 2},
    "int32": {"length_field_length": 4},
    "int64": {"length_field_length": 8},
    "int16le": {"length_field_length": 2, "byteorder": "little"},
    "int32le": {"length_field_length": 4, "byteorder": "little"},
    "int64le": {"length_field_length": 8, "byteorder": "little"},
    "varint": {"varint": True},
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""

    def number(name: str, low: int, high: int, default: int, text: str, metavar: str = "N") -> None:
        parser.add_argument(
            name, type=between(low, high), default=default, metavar=metavar, help=f"{text} (default: {default})"
        )

    number("--size", 0, _LARGEST, 64, "of a message", "BYTES")
    number("--pipeline", 1, 100_000, 1, "messages in flight on each connection")
    number("--connections", 1, _MOST_CONNECTIONS, 50, "of each server")
    number("--rounds", 1, 1000, 5, "windows of each server")
    parser.add_argument(
        "--seconds", type=seconds, default=0.2, metavar="S", help="how long a window is (default: %(default)s)"
    )
    parser.add_argument(
        "--framing", choices=FRAMINGS, help="the length in front of each message, in short (default: int32)"
    )
    add_framing(parser)
    add_json(parser)
    parser.add_argument("--serve", choices=KINDS, help=SUPPRESS)  # be one of the servers


def run(args: Namespace) -> None:
    """Print a table of all servers; raise Failure if one of them fails."""
    framing = _framing(args)
    if args.serve:
        return KINDS[args.serve].serve(framing)
    case = _case(args, framing)
    if not args.json:
        print(_title(case, args.rounds, args.seconds), flush=True)
    progress = Progress("bench")
    race = Race(case, kinds_here(), progress.show)
    try:
        race.run(args.rounds, args.seconds)
    finally:  # what there is when it is interrupted, too
        progress.clear()
        _print(race, args.json)
    return None


def _print(race: Race, as_json: bool) -> None:
    """Print what there is, if every server has a window of its own."""
    figures = race.figures
    if not all(each.windows for each in figures.values()):
        return
    if as_json:
        print(json.dumps(_as_json(figures, race.cores), indent=1))
    else:
        print("\n".join([*_table(figures), _surroundings(race.cores), *_remarks(figures)]), flush=True)


def _as_json(figures: dict[str, Figures], cores: str) -> dict[str, Any]:
    return {
        "surroundings": _surroundings(cores),
        "rounds": min(len(each.windows) for each in figures.values()),
        "servers": {
            KINDS[kind].label: {
                "cpu_per_message": [cpu / 1e6 for cpu in each.cpu],
                "messages_per_second": each.rate,
                "server_share": each.server_share,
                "load_share": each.load_share,
            }
            for kind, each in figures.items()
        },
    }


def _framing(args: Namespace) -> Framing:
    """Return what --framing or the long options describe; a frame holds the size, unless they forbid it."""
    short = FRAMINGS.get(args.framing, {})
    if short and (args.varint or args.byteorder or args.length_field_length is not None):
        raise Failure("--framing excludes --length-field-length, --byteorder and --varint", MISUSED)
    return framing_from(Namespace(**{**vars(args), **short}), max_frame_length=max(_LIMIT, args.size))


def _case(args: Namespace, framing: Framing) -> Case:
    largest = largest_message(framing)
    if args.size > largest:
        raise Failure(f"--size is {args.size}, but a frame holds at most {largest} bytes", MISUSED)
    in_flight = args.connections * args.pipeline * len(framing.encode(bytes(args.size)))
    if in_flight > _MOST_IN_FLIGHT:
        what = f"--connections, --pipeline and --size put {in_flight:,} bytes in flight"
        raise Failure(f"{what}, at most {_MOST_IN_FLIGHT:,} can be", MISUSED)
    return Case(framing, args.size, args.pipeline, args.connections)


def _title(case: Case, rounds: int, seconds: float) -> str:
    in_flight = f"{case.connections:,} x {case.in_flight:,} messages of {case.size:,} bytes in flight"
    return f"{in_flight}, {case.framing}; windows of {seconds:g} s in turns, {rounds} for each server"


def _table(figures: dict[str, Figures]) -> list[str]:
    """Return a line for each server, below the names of the columns."""
    first = next(iter(figures.values()))
    rows = [_COLUMNS, *(_row(kind, each, first) for kind, each in figures.items())]
    label_width, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([f"{label:<{label_width}}", *map(str.rjust, cells, widths)]) for label, *cells in rows]


def _row(kind: str, figures: Figures, first: Figures) -> tuple[str, ...]:
    return (
        KINDS[kind].label + " *" * _has_waited(figures),
        f"{figures.least:.3f}",
        f"{figures.median:.3f}",
        f"{figures.spread:.1%}",
        f"{figures.rate:,.0f}",
        f"{figures.least / first.least:.2f}",
    )


def _has_waited(figures: Figures) -> bool:
    return figures.server_share < _IDLE_BELOW


def _surroundings(cores: str) -> str:
    twin = "compiled" if EXTENSION else "pure"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{twin} twin, {python}, {selectors.DefaultSelector.__name__}; {cores}"


def _remarks(figures: dict[str, Figures]) -> list[str]:
    """Return what has to be known about the table."""
    remarks = []
    if waited := [each for each in figures.values() if _has_waited(each)]:
        who = (
            "the load was the bottleneck"
            if min(each.load_share for each in waited) > _BUSY_ABOVE
            else "so was the load"
        )
        remarks.append(f"* idle for more than half of the time, {who}: messages/s is not the most that it can do")
    if "uvloop" not in figures:
        remarks.append("uvloop isn't installed: it has no row")
    return remarks
