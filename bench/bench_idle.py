"""What a server takes whose connections say nothing: its share of a core, with 10,000 connections and as many waits."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench_memory import come_to_rest
from options import arguments
from race import Case, Program, build, load, server
from results import save

CONNECTIONS = 10_000
SECONDS = 20.0
SERVERS = ["compiled:reactor_waiting", "pure:reactor_waiting"]


def share(child: Program, seconds: float) -> float:
    """Return which part of a core it takes, while so much time passes."""
    before = child.cpu_ns()
    time.sleep(seconds)
    return (child.cpu_ns() - before) / (seconds * 1e9)


def measure(name: str, seconds: float) -> float:
    """Start a server, let every connection have one message echoed, and look on."""
    with ExitStack() as stack:
        child = server(name, "tcp", stack)
        program = load(child.hear(), Case(CONNECTIONS, 1, 64, "tcp"), stack)
        program.tell("echo 1")
        program.hear()
        come_to_rest(child)
        found = share(child, seconds)
        child.end()
    return found


def main() -> None:
    args = arguments("Measure what idle connections cost.", 1, ["tcp"], ["tcp"]).parse_args()
    seconds = SECONDS / 10 if args.quick else SECONDS
    build()
    found = {name: measure(name, seconds) for name in SERVERS}
    print(f"\n{CONNECTIONS:,} idle connections with their idle timeouts, {seconds:g} s")
    for name, part in found.items():
        print(f"  {name:28} {100 * part:8.4f} % of a core")
    if args.json:
        save(args.json, 1, {"cases": {"idle": found}})


if __name__ == "__main__":
    main()
