"""What a simulation costs: a day of 100 clients with a message a second each, and seeds of the examples.

    python bench/bench_simulation.py --hours 24 --seeds 1000

CPU seconds of one process are told for the day, wall-clock seconds on all cores for the seeds.
"""

import argparse
import runpy
import sys
import time
from pathlib import Path

from reactor import FramedProtocol
from reactor.testing import SimNetwork, simulate

EXAMPLES = sorted((Path(__file__).parent.parent / "examples" / "simulation").glob("*.py"))
CLIENTS = 100


class Counts(FramedProtocol):
    count = 0

    def message_received(self, message):
        Counts.count += 1


class Says(FramedProtocol):
    """Sends a message a second."""

    def __init__(self, reactor):
        self.reactor = reactor

    def connection_made(self, transport):
        self.timer = self.reactor.call_every(1, self.send, b"hello")

    def connection_lost(self, exc):
        self.timer.cancel()


def day(hours):
    """Return how long it takes, and how many messages came."""

    def say(reactor):
        for _ in range(CLIENTS):
            reactor.connect_tcp(lambda: Says(reactor), "server", 9000)

    Counts.count, began = 0, time.process_time()
    with SimNetwork(1, log_lines=1000) as network:
        network.host("server", setup=lambda reactor: reactor.listen_tcp(Counts, None, 9000))
        network.host("clients", setup=say)
        network.run(hours * 3600)
    return time.process_time() - began, Counts.count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=100)
    options = parser.parse_args()
    seconds, messages = day(options.hours)
    each = seconds / messages * 1e6
    print(f"{options.hours:g} hours of {CLIENTS} clients: {seconds:.1f} s, {messages} messages, {each:.1f} us each")
    for path in EXAMPLES:
        began = time.monotonic()
        simulate(runpy.run_path(str(path))["mended"], options.seeds)
        print(f"{options.seeds} seeds of {path.stem}: {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
