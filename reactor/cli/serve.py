"""serve: an app on every core. Law: the app is a function, and this file only says with what it is called."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from .failure import MISUSED, Failure
from .options import between, seconds

SUMMARY = "run an app's workers, and replace them one by one"
_MOST_WORKERS = 1024


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("app", metavar="MODULE:FUNCTION", help="FUNCTION(reactor, sockets) sets a worker up")
    parser.add_argument(
        "--bind",
        nargs="+",
        action="extend",
        default=[],
        metavar="ADDRESS",
        help="HOST:PORT, unix:PATH or fd://N, where to listen; LISTEN_FDS of systemd is taken, too",
    )
    parser.add_argument("--workers", type=between(1, _MOST_WORKERS), metavar="N", help="how many (default: one a core)")
    parser.add_argument(
        "--grace", type=seconds, default=30.0, metavar="S", help="seconds for a drain (default: %(default)g)"
    )
    parser.add_argument("--reuse-port", action="store_true", help="a socket for each worker")
    parser.add_argument("--user", metavar="USER[:GROUP]", help="whom to become when the sockets are bound")
    parser.add_argument("--pid-file", metavar="PATH", help="where to write the master's number")


def run(args: Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    if not hasattr(os, "fork"):
        raise Failure("this system has no fork(), by which workers are made")
    from .. import workers  # here, for they need what such a system lacks

    try:
        workers.run(
            args.app,
            args.bind,
            args.workers,
            args.grace,
            reuse_port=args.reuse_port,
            user=args.user,
            pid_file=args.pid_file,
            on_ready=_say_where,
            on_stats=_say_stats,
        )
    except ValueError as exc:
        raise Failure(str(exc), MISUSED) from None
    except workers.StartFailed as exc:
        sys.stderr.write(exc.trace)
        raise Failure(str(exc)) from None


def _say_where(addresses: list[str]) -> None:
    for address in addresses:
        _print(f"serve: listening on {address}")


def _say_stats(stats: dict[str, Any]) -> None:
    _print(json.dumps(stats))


def _print(line: str) -> None:
    """Print in one write, for workers print there, too: `print()` makes two where Python is told not to buffer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
