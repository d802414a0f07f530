"""Peers that others wrote: found or missed aloud, started, listened to, and never left running."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from conftest import TWINS
from helpers import run_until

from reactor import Reactor

Start = Callable[[list[str]], "Peer"]
Run = Callable[..., "Peer"]
Example = Callable[..., "subprocess.CompletedProcess[str]"]

_GRACE = 10.0  # seconds for a process to go after the end of its output


class Peer:
    """A running program. The loop under test reads its output, so nothing here blocks."""

    def __init__(self, net: Reactor, command: list[str]) -> None:
        self._net = net
        # Its stderr is ours: pytest shows it where a test fails.
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        self._output = b""
        self._silent = False
        net.add_reader(self._pipe, self._read)

    def _read(self) -> None:
        data = os.read(self._pipe.fileno(), 65536)
        self._output += data
        if not data:
            self._silent = True
            self._net.remove_reader(self._pipe)

    def port(self) -> int:
        """Return the port that it prints as its first line."""
        run_until(self._net, lambda: b"\n" in self._output or self._silent)
        return int(self._output.split(b"\n")[0])

    def verdict(self) -> str:
        """Return all it printed until its end, which has to be a good one."""
        run_until(self._net, lambda: self._silent)
        verdict = self._output.decode().strip()
        assert self._process.wait(_GRACE) == 0, verdict
        return verdict

    def close(self) -> None:
        self._net.remove_reader(self._pipe)
        self._process.kill()
        self._process.wait(_GRACE)
        self._pipe.close()


@pytest.fixture
def start(net: Reactor) -> Iterator[Start]:
    """Start a command as a Peer that doesn't outlive the test."""
    with ExitStack() as peers:

        def started(command: list[str]) -> Peer:
            peer = Peer(net, command)
            peers.callback(peer.close)
            return peer

        yield started


@pytest.fixture
def twisted(start: Start) -> Run:
    """Run twisted_peer.py with arguments."""
    if importlib.util.find_spec("twisted") is None:
        missing('Twisted isn\'t installed: pip install "twisted>=24" has it')
    script = str(Path(__file__).with_name("twisted_peer.py"))
    return lambda *args: start([sys.executable, script, *map(str, args)])


@pytest.fixture
def erlang(start: Start, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a program in Erlang with arguments."""
    erl = shutil.which("erl")
    if erl is None:
        missing("Erlang isn't installed: Debian's erlang-base has it")
    monkeypatch.setenv("ERL_CRASH_DUMP_SECONDS", "0")  # a program that fails leaves no file behind
    return lambda program, *args: start([erl, "-noshell", "-noinput", "-eval", program, "-extra", *map(str, args)])


@pytest.fixture(params=TWINS)
def example(request: pytest.FixtureRequest) -> Example:
    """Run one of examples/ to its end, over each twin."""
    root = Path(__file__).parent.parent.parent
    environ = {**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    environ["REACTOR_EXTENSION"] = "1" if request.param == "c" else "0"

    def run(name: str, *args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", str(root / "examples" / name), *map(str, args)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=60)

    return run


def missing(reason: str) -> NoReturn:
    """Skip, but not where REACTOR_PEERS=1 says that all peers are there: CI would pass without having tested."""
    if os.environ.get("REACTOR_PEERS") == "1":
        pytest.fail(f"{reason}; REACTOR_PEERS=1 says it has to be there")
    pytest.skip(reason)
