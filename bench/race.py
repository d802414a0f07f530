"""Races of servers: each has a core of its own, the load has the other, and short windows go round in turns.

All servers of a case are up at once with all their connections, and idle but for the one whose turn it is: whatever
slows the machine down for a while slows all of them. A window ends when the last answer is back, so the server has come
to rest, and its CPU time from the kernel's accounting (schedstat: user and system, in nanoseconds) belongs to exactly
the messages that were counted.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple, TypeVar

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
CERTIFICATE = OUT / "server.pem"
SERVER_CORE, LOAD_CORE = 0, 1
FLOOR = "C floor"

T = TypeVar("T")


class Case(NamedTuple):
    """So many connections, each with so many messages of `size` bytes in flight; and what is done with them.

    `kind`: frames that are echoed over "tcp", "tls" or "unix"; "raw": bytes that are; "broadcast": a frame that is sent
    to all connections.
    """

    connections: int
    in_flight: int
    size: int
    kind: str = "tcp"

    def __str__(self) -> str:
        units = {1 << 20: "MiB", 1 << 10: "KiB", 1: "B"}
        unit = next(unit for unit in units if self.size >= unit)
        numbers = f"{self.connections:,} x {self.in_flight} x {self.size // unit} {units[unit]}"
        return numbers if self.kind == "tcp" else f"{self.kind}, {numbers}"

    @property
    def bytes(self) -> int:
        """What is under way at once, and so the least that a window carries."""
        return self.connections * self.in_flight * self.size

    @property
    def road(self) -> str:
        return self.kind if self.kind in ("tls", "unix") else "tcp"

    @property
    def header(self) -> int:
        """How many bytes of length the load puts in front of a message."""
        return 0 if self.kind == "raw" else 4

    @property
    def verb(self) -> str:
        """What the load is told to do."""
        return "broadcast" if self.kind == "broadcast" else "echo"


class Window(NamedTuple):
    """What one window showed: the server's CPU in microseconds a message, and messages a second."""

    cpu: float
    rate: float


class Figures(NamedTuple):
    """The windows of one server in one case."""

    windows: list[Window]

    @property
    def least(self) -> float:
        return min(window.cpu for window in self.windows)

    @property
    def median(self) -> float:
        return sorted(window.cpu for window in self.windows)[len(self.windows) // 2]

    @property
    def spread(self) -> float:
        return self.median / self.least - 1

    @property
    def rate(self) -> float:
        return max(window.rate for window in self.windows)

    def plain(self) -> dict[str, float | list[float]]:
        """Return what JSON keeps: the summary, and every window's CPU."""
        cpu = [round(window.cpu, 4) for window in self.windows]
        return {"least": min(cpu), "median": round(self.median, 4), "rate": round(self.rate), "windows": cpu}


def build() -> None:
    """Make what a race needs: the floor and the loads, a certificate, descriptors."""
    OUT.mkdir(exist_ok=True)
    for name in ("echo", "load", "dial"):
        source = HERE / "floor" / f"{name}.c"
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(OUT / name), str(source), "-ldl"], check=True)
    make_certificate()
    allow_descriptors()


def make_certificate() -> None:
    """Write a key and what signs it: an elliptic curve's, as most servers have today."""
    import trustme

    OUT.mkdir(exist_ok=True)
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(CERTIFICATE))


def allow_descriptors() -> None:
    """Let this process and its children have as many descriptors as may be had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Program:
    """A child on one core that answers in lines; it is gone at the end."""

    def __init__(self, core: int, command: Sequence[str], extra: dict[str, str]) -> None:
        env = {**os.environ, **extra}
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.pid = self._child.pid
        os.sched_setaffinity(self.pid, {core})

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._child.kill()
        self._child.communicate()

    def tell(self, line: str) -> None:
        print(line, file=self._pipe(self._child.stdin), flush=True)

    def hear(self) -> str:
        """Return the next line."""
        line = self._pipe(self._child.stdout).readline()
        if not line:
            raise SystemExit(f"{self._child.args!r} ended before its time")
        return line.strip()

    def cpu_ns(self) -> int:
        """Return the CPU time of all its threads."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def server(name: str, kind: str, stack: ExitStack) -> Program:
    """Start a server: the floor, or one of servers.py; a twin may stand before its name, "pure:"."""
    twin, _, words = name.rpartition(":")
    extra = {"REACTOR_EXTENSION": {"pure": "0", "compiled": "1"}[twin]} if twin else {}
    where = {"tls": [str(CERTIFICATE)], "unix": [stack.enter_context(TemporaryDirectory()) + "/s"]}.get(kind, [])
    if name == FLOOR:
        command = [str(OUT / "echo"), kind, *where]
    else:
        road = kind if where else "tcp"
        command = [sys.executable, str(HERE / "servers.py"), words, road, *(where or [""])]
    return stack.enter_context(Program(SERVER_CORE, command, extra))


def load(address: str, case: Case, stack: ExitStack) -> Program:
    """Start a load, and return it when its connections are made."""
    numbers = map(str, (case.header, case.connections, case.in_flight, case.size))
    program = stack.enter_context(Program(LOAD_CORE, [str(OUT / "load"), case.road, address, *numbers], {}))
    assert program.hear() == "ready"
    return program


class Runner:
    """One server with its load, at rest between windows."""

    def __init__(self, name: str, case: Case, stack: ExitStack) -> None:
        self.server = server(name, case.kind, stack)
        self._load = load(self.server.hear(), case, stack)

    def measure(self, order: str) -> tuple[Window, list[int]]:
        """Let the load do what it is told; return the window, and what else it says."""
        before = self.server.cpu_ns()
        self._load.tell(order)
        messages, nanoseconds, *more = map(int, self._load.hear().split())
        return Window((self.server.cpu_ns() - before) / messages / 1e3, messages / nanoseconds * 1e9), more


def in_turns(
    names: Sequence[str], start: Callable[[str, ExitStack], Any], window: Callable[[Any], T], rounds: int
) -> dict[str, list[T]]:
    """Start all servers, make a window of each to warm up, then windows in turns."""
    found: dict[str, list[T]] = {name: [] for name in names}
    with ExitStack() as stack:
        runners = {name: start(name, stack) for name in names}
        for runner in runners.values():
            window(runner)
        for _ in range(rounds):
            for name, runner in runners.items():
                found[name].append(window(runner))
    return found
