"""A server that forks under load: no peer is held, no answer comes twice, its turns don't grow, SIGTERM ends a child.

`python bench/bench_forks.py --connections 500 --forks 200`. The children live until all is over and know nothing of the
server, as those of any program do that starts a job with multiprocessing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reactor import EXTENSION, FramedProtocol, Reactor

LOCAL = "127.0.0.1"
MESSAGES_A_FORK = 50
WINDOW = 20  # messages a connection, before the forks and behind them
PATIENCE = 120.0  # seconds for all of it
SILENCE = 20.0  # seconds until a peer that hears nothing is taken for held


class Window(NamedTuple):
    """What the server did for some messages."""

    messages: int
    turns: int
    events: int
    cpu_ns: int

    def since(self, other: Window) -> Window:
        return Window(*(now - then for now, then in zip(self, other, strict=True)))


@dataclass
class Figures:
    """How it went."""

    before: Window
    after: Window  # with all children alive
    fork_ms: list[float]
    held_files: int = 0  # sockets of the server's that its children have open
    reached: bool = False  # somebody got through to the closed server while they lived
    exits: Counter[int | None] = field(default_factory=Counter)
    answers: int = 0
    wrong: int = 0  # answers that came twice, or to nobody
    ended: dict[str, int] = field(default_factory=dict)  # how peers were told their end


class Storm:
    """The server. It measures a window, forks once in a while, and measures another one."""

    def __init__(self, reactor: Reactor, connections: int, forks: int) -> None:
        self.reactor = reactor
        self.connections = connections
        self.forks = forks
        self.made: list[Any] = []
        self.children: list[Any] = []
        self.fork_ms: list[float] = []
        self.windows: list[Window] = []
        self.messages = self._due = 0
        self._plan = self._steps()
        self._context = multiprocessing.get_context("fork")
        self._begun = self._context.Semaphore(0)

    def answered(self) -> None:
        """Take the next step behind so many messages, once all peers are there."""
        self.messages += 1
        if self.messages >= self._due and len(self.made) == self.connections:
            self._due = self.messages + next(self._plan)

    def _steps(self) -> Iterator[int]:
        """Take all steps; each time say how many messages come before the next one."""
        yield from self._measure()
        for _ in range(self.forks):
            yield MESSAGES_A_FORK
            self._fork()
        yield from self._measure()
        self.reactor.call_soon(self.reactor.stop)
        yield sys.maxsize

    def _measure(self) -> Iterator[int]:
        self.reactor.call_soon(self._mark)  # when all events of this turn have been called
        yield WINDOW * self.connections
        self.reactor.call_soon(self._mark)

    def _mark(self) -> None:
        stats = self.reactor.stats()
        self.windows.append(Window(self.messages, stats["turns"], stats["events"], time.process_time_ns()))

    def wait_for_children(self) -> None:
        """Wait until all have begun their job: a machine that is busy lets some sleep in the middle of fork()."""
        for _ in self.children:
            assert self._begun.acquire(timeout=SILENCE)

    def _fork(self) -> None:
        child = self._context.Process(target=wait_for_ever, args=(self._begun,), daemon=True)
        begin = time.perf_counter()
        child.start()
        self.fork_ms.append((time.perf_counter() - begin) * 1e3)
        self.children.append(child)


def wait_for_ever(begun: Any) -> None:
    """The job of a child."""
    begun.release()
    while True:
        signal.pause()


def storm(connections: int, forks: int) -> Figures:
    """Serve so many peers, fork so often meanwhile, end all connections, then all children."""
    before = sockets_of(os.getpid())
    with Reactor() as reactor:
        state = Storm(reactor, connections, forks)
        try:
            return _storm(state, before)
        finally:
            for child in state.children:
                child.kill()
                child.join()
                child.close()


def _storm(state: Storm, before: set[str]) -> Figures:
    class Echo(FramedProtocol):
        def connection_made(self, transport: Any) -> None:
            state.made.append(transport)

        def message_received(self, message: bytes) -> None:
            self.send(message)
            state.answered()

    server = state.reactor.listen_tcp(Echo, LOCAL, 0)
    state.reactor.add_signal_handler(signal.SIGTERM, state.reactor.stop)
    late = state.reactor.call_later(PATIENCE, state.reactor.stop)
    words = ["--peers", str(server.addresses[0][1]), "--connections", str(state.connections)]
    with subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE) as peers:
        state.reactor.run()
        late.cancel()
        assert len(state.windows) == 4, f"{len(state.children)} forks, {state.messages} messages in {PATIENCE} s"
        one, two, three, four = state.windows
        figures = Figures(two.since(one), four.since(three), state.fork_ms)
        ours = sockets_of(os.getpid()) - before
        state.wait_for_children()
        figures.held_files = sum(len(ours & sockets_of(child.pid)) for child in state.children)
        _end_all(state, server)
        figures.reached = is_reached(server.addresses[0])
        told = json.loads(peers.communicate(timeout=PATIENCE)[0])
    figures.answers, figures.wrong, figures.ended = told["answers"], told["wrong"], told["ended"]
    for child in state.children:
        child.terminate()
        child.join(SILENCE)
        figures.exits[child.exitcode] += 1
    return figures


def _end_all(state: Storm, server: Any) -> None:
    """End every other connection with a reset, and make the turns in which that happens."""
    server.close()
    for number, transport in enumerate(state.made):
        transport.abort() if number % 2 else transport.close()
    while state.reactor.stats()["connections"]:
        state.reactor.run_once(0.1)


def sockets_of(pid: int) -> set[str]:
    """Return the sockets that a process has open, by their names in /proc."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:  # the one that listed them
            continue
    return {each for each in found if each.startswith("socket:")}


def is_reached(address: Any) -> bool:
    """Tell whether somebody who connects now gets through."""
    with socket.socket() as late:
        return late.connect_ex(address) == 0


# --- the peers, in a process of their own


class Peers:
    """So many, each with one message under way: the next one goes out when its answer has come."""

    def __init__(self, port: int, connections: int) -> None:
        self.answers = self.wrong = 0
        self.ended: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()
        self._numbers: dict[socket.socket, int] = {}
        self._data: dict[socket.socket, bytes] = {}
        for _ in range(connections):
            sock = socket.create_connection((LOCAL, port))
            self._numbers[sock], self._data[sock] = 0, b""
            self._selector.register(sock, selectors.EVENT_READ)
        for sock in list(self._numbers):
            sock.sendall(frame(0))

    def run(self) -> None:
        """Go on until everybody has been told the end; who hears nothing for long is held."""
        while self._numbers:
            ready = self._selector.select(SILENCE)
            if not ready:
                self.ended["held"] = len(self._numbers)
                return
            for key, _ in ready:
                self._read(key.fileobj)

    def _read(self, sock: Any) -> None:
        try:
            data = sock.recv(1 << 16)
            self._data[sock] += data
            while len(self._data[sock]) >= len(frame(0)):
                self._heard(sock)
        except ConnectionError:
            return self._over(sock, "reset")
        return None if data else self._over(sock, "end")

    def _heard(self, sock: Any) -> None:
        size = len(frame(0))
        answer, self._data[sock] = self._data[sock][:size], self._data[sock][size:]
        if answer != frame(self._numbers[sock]):
            self.wrong += 1
            return
        self.answers += 1
        self._numbers[sock] += 1
        sock.sendall(frame(self._numbers[sock]))

    def _over(self, sock: Any, how: str) -> None:
        self.ended[how] += 1
        self._selector.unregister(sock)
        del self._numbers[sock]
        sock.close()


def frame(number: int) -> bytes:
    return b"\0\0\0\x08" + number.to_bytes(8, "big")


def main() -> None:
    parser = argparse.ArgumentParser(description="Let a server fork under load.")
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--forks", type=int, default=200)
    parser.add_argument("--peers", type=int, metavar="PORT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peers:
        peers = Peers(args.peers, args.connections)
        peers.run()
        print(json.dumps({"answers": peers.answers, "wrong": peers.wrong, "ended": peers.ended}))
        return
    show(storm(args.connections, args.forks), args)


def show(figures: Figures, args: argparse.Namespace) -> None:
    twin = "compiled" if EXTENSION else "pure"
    print(f"{args.connections} connections, {args.forks} forks under load ({twin} twin)")
    for name, window in (("before the forks", figures.before), ("children alive", figures.after)):
        print(
            f"  {name:18} {window.messages:8,} messages {window.events:8,} events {window.turns:6,} turns"
            f" {window.cpu_ns / window.messages / 1e3:6.2f} us CPU a message"
        )
    print(
        f"  a fork             {statistics.median(figures.fork_ms):.2f} ms (median), {max(figures.fork_ms):.2f} (most)"
    )
    print(f"  answers            {figures.answers:,} right, {figures.wrong} wrong or twice")
    print(f"  peers were told    {figures.ended}; sockets that children held: {figures.held_files}")
    print(f"  the closed server  {'was reached' if figures.reached else 'refuses'}")
    print(f"  children ended by  {dict(figures.exits)}")


if __name__ == "__main__":
    main()
