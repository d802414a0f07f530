"""A receiver that is stopped for a second under a million datagrams: each is received or counted, and memory is flat.

    python bench/bench_flood.py [--datagrams N] [--size BYTES]

No figure of speed: it says how many came, how many the kernel dropped, and how the receiver's memory has grown. Exits
with 1 if one datagram is neither.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_GROWTH = 4096  # KiB: the memory that all datagrams of a loop are read into is half of it

RECEIVER = """
import sys
from reactor import DatagramProtocol, Reactor

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def answer():
    sys.stdin.readline()
    print(endpoint.traffic()[TRAFFIC.index("datagrams_received")], endpoint.datagrams_missed, resident(), flush=True)

from reactor.transport.datagram import TRAFFIC
with Reactor() as reactor:
    endpoint = reactor.bind_udp(DatagramProtocol, "127.0.0.1", 0)
    print(endpoint.get_extra_info("sockname")[1], flush=True)
    reactor.add_reader(0, answer)
    reactor.run()
"""


class Receiver:
    """The program that is flooded."""

    def __init__(self, twin: str) -> None:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "REACTOR_EXTENSION": {"compiled": "1", "pure": "0"}[twin]}
        command, pipe = [sys.executable, "-c", RECEIVER], subprocess.PIPE
        self.process = subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True)
        (self.port,) = self._read()

    def _read(self) -> list[int]:
        assert self.process.stdout is not None
        return [int(word) for word in self.process.stdout.readline().split()]

    def ask(self) -> list[int]:
        """Return how many have come, how many the kernel has dropped, and the most memory in KiB."""
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return self._read()

    def rest(self) -> list[int]:
        """Ask until nothing comes any more."""
        before, now = [], self.ask()
        while before[:2] != now[:2]:
            before, now = now, self.ask()
        return now


def flood(port: int, count: int, size: int) -> None:
    data = bytes(size)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        for _ in range(count):
            sock.send(data)


def measure(twin: str, count: int, size: int) -> bool:
    """Flood a receiver, stop it for a second meanwhile, and tell whether it knows of every datagram."""
    receiver = Receiver(twin)
    try:
        flood(receiver.port, 1000, size)
        *_, at_first = receiver.rest()
        process = receiver.process
        threading.Timer(0.2, process.send_signal, [signal.SIGSTOP]).start()
        going_on = threading.Timer(1.2, process.send_signal, [signal.SIGCONT])
        going_on.start()
        flood(receiver.port, count, size)
        going_on.join()
        came, missed, memory = receiver.rest()
    finally:
        receiver.process.kill()
        receiver.process.communicate()
    sent, growth = count + 1000, memory - at_first
    lost = sent - came - missed
    print(f"{twin:9} {sent:,} sent, {came:,} received, {missed:,} dropped, {lost:,} unknown, {growth:,} KiB more")
    return lost == 0 and growth <= MOST_GROWTH


def main() -> None:
    parser = argparse.ArgumentParser(description="Flood a receiver that is stopped for a second; count what it lost.")
    parser.add_argument("--datagrams", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=64)
    args = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("only Linux tells how many datagrams found a full queue")
    told = [measure(twin, args.datagrams, args.size) for twin in ("compiled", "pure")]
    if not all(told):
        sys.exit("a datagram is neither received nor counted, or memory has grown")


if __name__ == "__main__":
    main()
