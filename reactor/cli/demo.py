"""demo: a server and its clients on one machine. Law: it ends well only if every message came back as it was sent."""

from __future__ import annotations

import json
import platform
import selectors
import signal
import subprocess
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..framing import Framing
from ..reactor import Reactor
from ..transport import EXTENSION
from ..transport.address import TCPAddress
from .failure import MISUSED, Failure
from .load import Load
from .options import add_framing, add_json, address, between, framing_arguments, framing_from, largest_message, seconds
from .terminal import Progress

SUMMARY = "run a server and clients, compare every echo, say how fast it is"

_LIMIT = 1 << 20
_HIGHEST_LIMIT = 64 << 20  # several messages of each connection are in memory, whole
_MOST_CONNECTIONS = 10_000  # what a server takes at most, unless its Limits say otherwise
_PATIENCE = 10.0  # seconds for the server to start, and to end
_PROGRESS_EVERY, _PLAIN_EVERY = 0.2, 10.0  # seconds; where each is a line that stays
_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))  # Windows hangs nothing up


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument(
        "--connections",
        type=between(1, _MOST_CONNECTIONS),
        default=50,
        metavar="N",
        help="how many clients (default: 50)",
    )
    parser.add_argument("--seconds", type=seconds, default=3.0, metavar="N", help="how long to send (default: 3)")
    parser.add_argument(
        "--limit",
        type=between(0, _HIGHEST_LIMIT),
        metavar="N",
        help="largest message in bytes (default: 1 MiB, or what a frame holds)",
    )
    add_json(parser)
    add_framing(parser)


def run(args: Namespace) -> None:
    """Print a table of what came back; raise Failure if anything is wrong with it."""
    framing = framing_from(args, max_frame_length=args.limit)
    limit = _limit(args.limit, framing)
    selector = selectors.DefaultSelector()
    with Reactor(selector) as reactor:
        for signum in _SIGNALS:  # before there is a server that must not stay behind
            reactor.add_signal_handler(signum, reactor.stop)
        load = Load(reactor, framing, limit, reactor.stop)
        with _server(framing) as where:
            load.start(where, args.connections, args.seconds)
            _run(reactor, load)
    found = _figures(load, type(selector).__name__)
    print(json.dumps(found) if args.json else "\n".join(_table(found)))


def _limit(wanted: int | None, framing: Framing) -> int:
    largest = largest_message(framing)
    if wanted is None:
        return min(_LIMIT, largest)
    if wanted > largest:
        raise Failure(f"--limit is {wanted}, but a frame holds at most {largest} bytes", MISUSED)
    return wanted


@contextmanager
def _server(framing: Framing) -> Iterator[TCPAddress]:
    """Run `echo` in a process of its own; it is gone when this ends."""
    package = __name__.rpartition(".cli.")[0]  # "reactor", or where a vendored copy lies
    command = [sys.executable, "-m", package, "echo", "127.0.0.1:0", *framing_arguments(framing)]
    # A session of its own: Ctrl-C comes to us alone, and we end it.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            yield _address_of(child)
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_PATIENCE)
            child.kill()


def _address_of(child: subprocess.Popen[str]) -> TCPAddress:
    """Read where a server listens from the first line that it prints."""
    assert child.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda out: lines.append(out.readline()), args=(child.stdout,), daemon=True)
    reader.start()  # a pipe that is silent can be given up in this way on every system
    reader.join(_PATIENCE)
    if not any(lines):
        raise Failure("the server didn't start")
    where = address(lines[0].split()[-1])
    assert isinstance(where, TCPAddress)
    return where


def _run(reactor: Reactor, load: Load) -> None:
    """Run until the load is over; raise Failure unless it went well."""
    progress = Progress("demo")
    reactor.call_every(_PROGRESS_EVERY if progress.is_live else _PLAIN_EVERY, _show_progress, progress, load)
    reactor.run()
    progress.clear()
    if load.failure:
        raise Failure(load.failure)
    if not load.is_over:
        raise KeyboardInterrupt


def _show_progress(progress: Progress, load: Load) -> None:
    progress.show(f"{load.messages:,} messages, {load.bytes / (1 << 20):,.0f} MiB")


def _figures(load: Load, selector: str) -> dict[str, Any]:
    return {
        "messages": load.messages,
        "bytes": load.bytes,
        "seconds": load.elapsed,
        "round_trip_p50": load.round_trips.quantile(0.5),
        "round_trip_p99": load.round_trips.quantile(0.99),
        "twin": "compiled" if EXTENSION else "pure",
        "selector": selector,
        "python": platform.python_version(),
    }


def _table(found: dict[str, Any]) -> list[str]:
    rows = {
        "messages": f"{found['messages']:,}",
        "MiB": f"{found['bytes'] / (1 << 20):,.1f}",
        "messages/s": f"{found['messages'] / found['seconds']:,.0f}",
        "round trip p50": f"{1000 * found['round_trip_p50']:.2f} ms",
        "round trip p99": f"{1000 * found['round_trip_p99']:.2f} ms",
        **{name: found[name] for name in ("twin", "selector", "python")},
    }
    name_width, value_width = max(map(len, rows)), max(map(len, rows.values()))
    return [f"{name:<{name_width}}  {value:>{value_width}}" for name, value in rows.items()]
