"""Races of echo servers: each has a core of its own, the load has the other, and short windows go round in turns.

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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
SERVER_CORE, LOAD_CORE = 0, 1
FLOOR = "C floor"


class Case(NamedTuple):
    """So many connections, each with so many messages of `size` bytes in flight."""

    connections: int
    in_flight: int
    size: int

    def __str__(self) -> str:
        units = {1 << 20: "MiB", 1 << 10: "KiB", 1: "B"}
        unit = next(unit for unit in units if self.size >= unit)
        return f"{self.connections:,} x {self.in_flight} x {self.size // unit} {units[unit]}"

    @property
    def bytes(self) -> int:
        """What is under way at once, and so the least that a window carries."""
        return self.connections * self.in_flight * self.size


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
    """Compile the floor and the loads."""
    OUT.mkdir(exist_ok=True)
    for name in ("echo", "load", "dial"):
        source = HERE / "floor" / f"{name}.c"
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(OUT / name), str(source)], check=True)


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


def server(name: str) -> Program:
    """Start an echo server: the floor, or one of servers.py; a twin may stand before its name, "pure:"."""
    twin, _, function = name.rpartition(":")
    extra = {"REACTOR_EXTENSION": {"pure": "0", "compiled": "1"}[twin]} if twin else {}
    command = [str(OUT / "echo")] if name == FLOOR else [sys.executable, str(HERE / "servers.py"), function]
    return Program(SERVER_CORE, command, extra)


def load(port: str, case: Case, stack: ExitStack) -> Program:
    """Start a load, and return it when its connections are made."""
    program = stack.enter_context(Program(LOAD_CORE, [str(OUT / "load"), port, *map(str, case)], {}))
    assert program.hear() == "ready"
    return program


class Runner:
    """One server with its load, at rest between windows."""

    def __init__(self, name: str, case: Case, stack: ExitStack) -> None:
        self.server = stack.enter_context(server(name))
        self._load = load(self.server.hear(), case, stack)

    def window(self, milliseconds: int) -> Window:
        before = self.server.cpu_ns()
        self._load.tell(str(milliseconds))
        messages, nanoseconds = map(int, self._load.hear().split())
        return Window((self.server.cpu_ns() - before) / messages / 1e3, messages / nanoseconds * 1e9)


def race(case: Case, names: Sequence[str], rounds: int, milliseconds: int) -> dict[str, Figures]:
    """Measure all servers in one case: a window each to warm up, then windows in turns."""
    allow_descriptors()
    found: dict[str, Figures] = {name: Figures([]) for name in names}
    with ExitStack() as stack:
        runners = {name: Runner(name, case, stack) for name in names}
        for runner in runners.values():
            runner.window(milliseconds)
        for _ in range(rounds):
            for name, runner in runners.items():
                found[name].windows.append(runner.window(milliseconds))
    return found


def allow_descriptors() -> None:
    """Let children have as many descriptors as may be had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
