"""Windows in turns: what slows the machine down for a while slows every server. Law: one server works, the others rest.

All servers are up at once, each in a process of its own, with all their connections to the load, which is this process.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from ..framing import Framing
from ..reactor import Reactor
from .bench_load import Case, Load
from .bench_servers import HOST, KINDS
from .failure import Failure
from .options import framing_arguments

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_PATIENCE = 10.0  # seconds for a server to start, and to answer
_SPARE_DESCRIPTORS = 100  # beside those of the connections
_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


class Window(NamedTuple):
    """What one window showed; times in seconds."""

    messages: int
    elapsed: float
    server_cpu: float
    load_cpu: float


class Figures(NamedTuple):
    """The windows of one server. CPU time is in microseconds a message, shares are of the time that passed."""

    windows: list[Window]

    @property
    def cpu(self) -> list[float]:
        return sorted(window.server_cpu / window.messages * 1e6 for window in self.windows)

    @property
    def least(self) -> float:
        return self.cpu[0]

    @property
    def median(self) -> float:
        return self.cpu[len(self.windows) // 2]

    @property
    def spread(self) -> float:
        return self.median / self.least - 1

    @property
    def rate(self) -> float:
        return max(window.messages / window.elapsed for window in self.windows)

    @property
    def server_share(self) -> float:
        return sum(window.server_cpu for window in self.windows) / self._elapsed

    @property
    def load_share(self) -> float:
        return sum(window.load_cpu for window in self.windows) / self._elapsed

    @property
    def _elapsed(self) -> float:
        return sum(window.elapsed for window in self.windows)


class Server:
    """An echo server in a process of its own; it is gone when this ends."""

    def __init__(self, kind: str, framing: Framing) -> None:
        self.label = KINDS[kind].label
        package = __name__.rpartition(".cli.")[0]  # "reactor", or where a vendored copy lies
        command = [sys.executable, "-m", package, "bench", "--serve", kind, *framing_arguments(framing)]
        # A session of its own: Ctrl-C comes to us alone, and we end it.
        self._child = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.pid = self._child.pid

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def port(self) -> int:
        """Return where it listens, as soon as it does; once."""
        return self._hear("the server didn't start")

    def cpu(self) -> float:
        """Return the seconds of CPU time that it has used."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # then there is no answer, either
            self._child.stdin.write(b"\n")
        return self._hear("the server doesn't answer") / 1e9

    def _hear(self, complaint: str) -> int:
        assert self._child.stdout is not None
        ready, _, _ = select.select([self._child.stdout], [], [], _PATIENCE)
        line = self._child.stdout.readline() if ready else b""
        if not line:
            raise Failure(f"{self.label}: {complaint}")
        return int(line)


class Runner:
    """One server with its load, at rest between windows."""

    def __init__(self, reactor: Reactor, server: Server, case: Case) -> None:
        self._reactor = reactor
        self._server = server
        self._load = Load(reactor, case)

    def connect(self) -> None:
        self._load.connect(HOST, self._server.port())
        self._run()

    def window(self, seconds: float) -> Window:
        server, load = self._server.cpu(), time.process_time()
        self._load.start(seconds)
        self._run()
        load_cpu = time.process_time() - load
        return Window(self._load.messages, self._load.elapsed, self._server.cpu() - server, load_cpu)

    def _run(self) -> None:
        """Run until the load is at rest; raise Failure if something is wrong with it."""
        self._reactor.run()
        if self._load.failure:
            raise Failure(f"{self._server.label}: {self._load.failure}")
        if not self._load.is_at_rest:
            raise KeyboardInterrupt


class Race:
    """Some servers in one case. `cores` says where they ran, `figures` what there is so far, `tell` is told of it."""

    def __init__(self, case: Case, kinds: Sequence[str], tell: Callable[..., object] = lambda *text: None) -> None:
        self._case = case
        self._kinds = kinds
        self._tell = tell
        self.cores = ""
        self.figures: dict[str, Figures] = {kind: Figures([]) for kind in kinds}

    def run(self, rounds: int, seconds: float) -> dict[str, Figures]:
        """Return the figures of each kind: a window each to warm up, then windows in turns."""
        _allow_descriptors(self._case.connections * len(self._kinds) + _SPARE_DESCRIPTORS)
        self._tell(f"{len(self._kinds)} servers start")
        with self._runners() as runners:
            for kind, runner in runners.items():
                self._tell("warming up", KINDS[kind].label)
                runner.window(seconds)
            for round_ in range(1, rounds + 1):
                for kind, runner in runners.items():
                    self._tell(f"round {round_} of {rounds}", KINDS[kind].label)
                    self.figures[kind].windows.append(runner.window(seconds))
        return self.figures

    @contextmanager
    def _runners(self) -> Iterator[dict[str, Runner]]:
        with Reactor() as reactor, ExitStack() as stack:
            for signum in _SIGNALS:  # before there is a server that must not stay behind
                reactor.add_signal_handler(signum, reactor.stop)
            servers = {kind: stack.enter_context(Server(kind, self._case.framing)) for kind in self._kinds}
            self.cores = stack.enter_context(_cores([server.pid for server in servers.values()]))
            runners = {kind: Runner(reactor, server, self._case) for kind, server in servers.items()}
            for runner in runners.values():
                runner.connect()
            yield runners


@contextmanager
def _cores(pids: list[int]) -> Iterator[str]:
    """Give the servers one core, and the load another, where that can be; yield what was done."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if len(cores) < 2:
        yield "servers and load on any core"
        return
    first, last = cores[0], cores[-1]  # neighbours may be two halves of one core
    for pid in pids:
        os.sched_setaffinity(pid, {first})
    os.sched_setaffinity(0, {last})
    try:
        yield f"servers on core {first}, load on core {last}"
    finally:
        os.sched_setaffinity(0, cores)


def _allow_descriptors(count: int) -> None:
    """Raise the soft limit where that is needed, for the servers too; raise Failure where it can't be."""
    if resource is None:
        raise Failure("the servers are talked to over pipes, which can't be waited for on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Failure(f"{count} file descriptors are needed, and this system allows {hard}: see `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
