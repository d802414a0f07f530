"""Rolling restarts under load: clients that send, check every answer and come back, while the workers are replaced.

    python bench/bench_rolling.py [--clients 200] [--workers 2] [--restarts 10] [--seconds 60]

Prints what became of every message: what was acknowledged and isn't in the workers' books is lost, and who could not
connect was refused. Both have to be none. `bench_rolling.py clients ADDRESS COUNT` is the other process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from reactor import FramedProtocol, Reactor

APP = r"""
import os
from reactor import FramedProtocol

BOOKS = os.open("books", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Book(FramedProtocol):
    def message_received(self, message):
        os.write(BOOKS, message + b"\n")
        self.send(message)

def setup(reactor, sockets):
    for sock in sockets:
        reactor.listen_tcp(Book, None, 0, sock=sock)
"""


class Client(FramedProtocol):
    """Sends one message after the other; what wasn't answered when a connection ends is sent again by the next."""

    def __init__(self, crowd: Crowd, name: int) -> None:
        self.crowd = crowd
        self.name = name
        self.count = 0

    def connection_made(self, transport: Any) -> None:
        self.ask()

    def ask(self) -> None:
        self.send(b"%d %d" % (self.name, self.count))

    def message_received(self, message: bytes) -> None:
        self.crowd.note("wrong", message != b"%d %d" % (self.name, self.count))
        self.count += 1
        self.crowd.answered(self)
        if self.crowd.stopping:
            self.transport.close()
        else:
            self.ask()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.crowd.note("reset", exc is not None)
        self.crowd.lost(self)


class Crowd:
    """All clients of one process."""

    def __init__(self, reactor: Reactor, address: str, count: int) -> None:
        host, _, port = address.rpartition(":")
        self.reactor, self.host, self.port = reactor, host, int(port)
        self.clients = [Client(self, name) for name in range(count)]
        self.new = count  # who hasn't had an answer yet
        self.stopping = False
        self.left = count
        self.counts = {"wrong": 0, "reset": 0, "refused": 0, "came_back": 0}
        for client in self.clients:
            self.dial(client)

    def note(self, what: str, happened: bool = True) -> None:
        self.counts[what] += happened

    def dial(self, client: Client) -> None:
        self.reactor.connect_tcp(lambda: client, self.host, self.port, on_failure=lambda exc: self.refused(client, exc))

    def refused(self, client: Client, exc: BaseException) -> None:
        self.note("refused")
        sys.stderr.write(f"{exc}\n")
        self.reactor.call_later(0.01, self.dial, client)

    def answered(self, client: Client) -> None:
        if client.count == 1:
            self.new -= 1
            if not self.new:
                print("going", flush=True)

    def lost(self, client: Client) -> None:
        if self.stopping:
            self.left -= 1
            if not self.left:
                self.reactor.stop()
        else:
            self.note("came_back")
            self.dial(client)

    def stop(self) -> None:
        self.stopping = True


def clients(address: str, count: int) -> None:
    """Run them until SIGTERM, then say what they have seen."""
    with Reactor() as reactor:
        crowd = Crowd(reactor, address, count)
        reactor.add_signal_handler(signal.SIGTERM, crowd.stop)
        reactor.run()
    print(json.dumps({**crowd.counts, "acknowledged": [each.count for each in crowd.clients]}), flush=True)


def lost(acknowledged: list[int], books: Path) -> int:
    """Return how many messages were acknowledged and aren't in the books."""
    written = set(books.read_text().split("\n"))
    return sum(f"{name} {n}" not in written for name, count in enumerate(acknowledged) for n in range(count))


def roll(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Restart the workers again and again under the clients; return what these have seen."""
    (folder / "app.py").write_text(APP)
    serve = [sys.executable, "-m", "reactor", "serve", "app:setup", "--bind", "127.0.0.1:0"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    shared: dict[str, Any] = {"env": environ, "cwd": folder, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*serve, "--workers", str(options.workers)], **shared) as master:
        address = master.stdout.readline().split()[-1]
        command = [sys.executable, __file__, "clients", address, str(options.clients)]
        with subprocess.Popen(command, **shared) as crowd:
            assert crowd.stdout.readline() == "going\n"
            for _ in range(options.restarts):
                master.send_signal(signal.SIGHUP)
                time.sleep(options.seconds / options.restarts)
            crowd.send_signal(signal.SIGTERM)
            seen: dict[str, Any] = json.loads(crowd.stdout.read())
        master.send_signal(signal.SIGUSR1)
        stats = json.loads(master.stdout.readline())
        master.send_signal(signal.SIGTERM)
    acknowledged = seen.pop("acknowledged")
    seen.update(acknowledged=sum(acknowledged), lost=lost(acknowledged, folder / "books"))
    return {**seen, "reloads": stats["reloads"], "workers": len(stats["workers"])}


def main() -> None:
    if sys.argv[1:2] == ["clients"]:
        return clients(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(roll(Path(folder), parser.parse_args())))
    return None


if __name__ == "__main__":
    main()
