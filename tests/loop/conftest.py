"""What the tests of the loop share: real sockets, reports, bounded runs, and scripts of their own."""

import selectors
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import wakeup_fd

from reactor import EventLoop
from reactor.testing import ManualClock, MemorySelector

_NAMES = ["DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector"]
SELECTORS = [*dict.fromkeys(getattr(selectors, name) for name in _NAMES if hasattr(selectors, name)), MemorySelector]

_ROOT = Path(__file__).parents[2]
_PATIENCE = 20.0  # seconds until what never comes fails the test


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets of the system: writable both, readable when the other has sent."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


@pytest.fixture
def other_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two more."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


@pytest.fixture(params=SELECTORS, ids=lambda kind: kind.__name__)
def each_selectors_loop(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[EventLoop]:
    """A loop on each kind of selector that there is."""
    with EventLoop(request.param(), clock) as loop:
        yield loop


@pytest.fixture
def reports(loop: EventLoop) -> list[dict[str, Any]]:
    """What the loop's exception handler was told."""
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: told.append(context))
    return told


@pytest.fixture
def real() -> Iterator[EventLoop]:
    """A loop on the system's clock, for what has to be real."""
    with EventLoop() as loop:
        yield loop


@pytest.fixture
def run() -> Callable[[EventLoop], None]:
    """Run a loop on the system's clock until it is stopped; fail if it isn't in a long time."""

    def bounded(loop: EventLoop) -> None:
        late: list[bool] = []

        def give_up() -> None:
            late.append(True)
            loop.stop()

        guard = loop.call_later(_PATIENCE, give_up)
        try:
            loop.run()
        finally:
            guard.cancel()
        assert not late, "nobody stopped the loop"

    return bounded


@pytest.fixture
def script() -> Callable[[str], tuple[str, str]]:
    """Run a program in an interpreter of its own; return what it wrote to stdout and stderr."""

    def run_script(text: str) -> tuple[str, str]:
        command = [sys.executable, "-c", textwrap.dedent(text)]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run_script


@pytest.fixture
def python_handlers() -> Iterator[None]:
    """Let SIGINT have Python's default handler, whoever started the tests; hold all to what they found."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGUSR1, signal.SIGUSR2)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    fd = wakeup_fd()
    yield
    after = {each: signal.getsignal(each) for each in before}
    fd_after = signal.set_wakeup_fd(fd)
    for signum, handler in before.items():
        signal.signal(signum, handler)
    nobodys = {signal.SIGUSR1: signal.SIG_DFL, signal.SIGUSR2: signal.SIG_DFL}
    assert after == {**nobodys, signal.SIGINT: signal.default_int_handler}
    assert fd_after == fd
