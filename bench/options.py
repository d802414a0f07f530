"""What the bench's commands are asked, and which servers run in which case."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from race import FLOOR, Case, Figures

TUNED = "uvloop_tuned"
OURS = ["compiled:reactor_messages", "compiled:reactor_reads", "pure:reactor_messages", "pure:reactor_reads"]
TLS_PEERS = ["asyncio_tuned", TUNED, "aiofastnet_tuned", "aiofastuv_tuned"]


def bare(protocol: str) -> list[str]:
    """Return who takes part with a protocol that parses nothing."""
    peers = [f"{library}_{protocol}" for library in ("asyncio", "uvloop", "aiofastnet", "aiofastuv")]
    return [FLOOR, f"compiled:reactor_{protocol}", f"pure:reactor_{protocol}", *peers]


SERVERS = {
    "tcp": [FLOOR, *OURS, "asyncio_plain", "asyncio_tuned", "uvloop_plain", TUNED, "twisted_plain", "twisted_tuned"],
    "tls": [*OURS, *TLS_PEERS],
    "unix": [FLOOR, *OURS, "asyncio_tuned", TUNED, "twisted_tuned"],
    "raw": bare("raw"),
    "broadcast": bare("broadcast"),
    "aio": [
        *(f"compiled:{library}_{what}" for library in ("aio", "aiouv") for what in ("messages", "streams")),
        *(f"{library}_{what}" for library in ("asyncio", "uvloop") for what in ("tuned", "streams")),
    ],
}
LEFT_OUT_IF_QUICK = ("_plain", "_reads", "aiofastuv")


def servers_of(kind: str, args: argparse.Namespace) -> list[str]:
    """Return who takes part in cases of a kind."""
    if args.only:
        return [name for name in SERVERS[kind] if name in args.only]
    return [name for name in SERVERS[kind] if not args.quick or not any(part in name for part in LEFT_OUT_IF_QUICK)]


def arguments(description: str, rounds: int, cases: Sequence[str], default: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser with what all have in common."""
    names = sorted({name for each in SERVERS.values() for name in each})
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", nargs="*", choices=names, metavar="NAME", help="servers (default: all of a case)")
    parser.add_argument(
        "--cases", nargs="*", default=default, help=f"{', '.join(cases)} (default: {' '.join(default)})"
    )
    parser.add_argument("--quick", action="store_true", help="fewer servers, fewer and shorter windows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def case_of(word: str) -> Case:
    """Read CONNECTIONSxIN_FLIGHTxSIZE, KIND: before it where it isn't tcp."""
    kind, _, numbers = word.rpartition(":")
    try:
        connections, in_flight, size = map(int, numbers.split("x"))
    except ValueError:
        raise SystemExit(f"{word!r} is no case: a name, or a form as 50x1x64 or tls:50x1x64") from None
    if (kind or "tcp") not in SERVERS:
        raise SystemExit(f"{kind!r} is none of {', '.join(SERVERS)}")
    return Case(connections, in_flight, size, kind or "tcp")


def best_peer(figures: dict[str, Figures]) -> Figures | None:
    """Return the cheapest of the servers that are neither ours nor the floor."""
    peers = [each for name, each in figures.items() if name != FLOOR and "reactor" not in name]
    return min(peers, key=lambda each: each.least, default=None)


def ratio(figures: Figures, other: Figures | None) -> str:
    return f"{figures.least / other.least:.2f}x" if other else ""
