"""The example of a client that asks: every request is answered or told lost, once, whatever becomes of its server.

REACTOR_KILLS=100 has the server killed a hundred times; without it, it is a few.
"""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import FrameRecorder, open_descriptors, run_until

from reactor import Backoff, Reactor

EXAMPLE = Path(__file__).parent.parent / "examples" / "request_reply.py"
KILLS = int(os.environ.get("REACTOR_KILLS", "3"))
UNDER_WAY = 50
QUICK = Backoff(initial=0.01, factor=1.2, longest=0.2)


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


class Asker:
    """Asks all the time, so many at once, and writes down what became of each request."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.ends: Counter[int] = Counter()  # how often each request was told its end
        self.kinds: Counter[str] = Counter()
        self.asked = 0
        self.stopped = False

    def ask(self) -> None:
        number, self.asked = self.asked, self.asked + 1
        self.client.ask(b"request %d" % number, lambda answer, error: self.ended(number, answer, error))

    def ended(self, number: int, answer: bytes | None, error: Exception | None) -> None:
        self.ends[number] += 1
        if error is None:
            assert answer == b"request %d" % number
        self.kinds["answered" if error is None else str(error).partition(":")[0]] += 1
        if not self.stopped:
            self.client.reactor.call_later(0 if error is None else 0.01, self.ask)


class Killed:
    """A server in a process of its own, at a port that stays."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again: it listens in its own time."""
        words = [sys.executable, "-m", "reactor", "echo", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def killed() -> Iterator[Killed]:
    server = Killed()
    yield server
    server.kill()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nobody can be killed here")
@pytest.mark.timeout(60 + 5 * KILLS)
def test_every_request_is_answered_or_told_lost_while_the_server_is_killed_again_and_again(
    net: Reactor, killed: Killed, example: dict[str, Any]
) -> None:
    client = example["Client"](net, "127.0.0.1", killed.port, QUICK)
    asker, descriptors, began = Asker(client), set[int](), time.monotonic()
    for _ in range(UNDER_WAY):
        asker.ask()
    for _ in range(KILLS):
        answered = asker.kinds["answered"]
        run_until(net, lambda answered=answered: asker.kinds["answered"] > answered + 10 * UNDER_WAY)
        run_until(net, lambda: client.connector.connection.get_protocol().waiting)
        descriptors.add(len(open_descriptors()))
        killed.kill()
        killed.start()
    asker.stopped = True
    run_until(net, lambda: len(asker.ends) == asker.asked)
    client.close()
    net.run_once(0.01)
    print(f"{KILLS} kills in {time.monotonic() - began:.0f} s, {asker.asked:,} requests: {dict(asker.kinds)}")
    assert set(asker.ends.values()) == {1}, "some were told twice"
    assert sum(asker.kinds.values()) == asker.asked
    assert asker.kinds["the connection was lost"] > 0
    assert set(asker.kinds) <= {"answered", "the connection was lost", "there is no connection at present"}
    assert len(descriptors) == 1, f"at the kills {descriptors} were open"


class Answers(FrameRecorder):
    """Answers each request when it has been asked so often."""

    patience = 1

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) % self.patience == 0:
            for each in self.messages[-self.patience :]:
                self.send(each)


def ask_all(net: Reactor, client: Any, *bodies: bytes, timeout: float = 5) -> list[Any]:
    told: list[Any] = []
    run_until(net, lambda: client.connector.connection is not None)
    for body in bodies:
        client.ask(body, lambda answer, error: told.append(answer or error), timeout)
    return told


def served(net: Reactor, example: dict[str, Any], factory: Callable[[], Any]) -> Any:
    return example["Client"](net, *net.listen_tcp(factory, "127.0.0.1", 0).addresses[0], QUICK)


def test_answers_reach_who_asked(net: Reactor, example: dict[str, Any]) -> None:
    client = served(net, example, Answers)
    told = ask_all(net, client, b"one", b"two")
    assert told == [], "never from inside the call"
    run_until(net, lambda: len(told) == 2)
    assert told == [b"one", b"two"]
    assert net.stats()["timers"] <= 1, "of the server, for who says nothing"


def test_who_is_not_answered_in_time_is_told_and_what_comes_later_is_for_nobody(
    net: Reactor, example: dict[str, Any]
) -> None:
    client = served(net, example, type("Slow", (Answers,), {"patience": 2}))
    told = ask_all(net, client, b"one", timeout=0.01)
    run_until(net, lambda: told)
    assert [str(each) for each in told] == ["no answer in 0.01 s"]
    late = ask_all(net, client, b"two")
    run_until(net, lambda: late)
    assert (len(told), late) == (1, [b"two"])


def test_who_asks_while_there_is_no_connection_is_told_so(net: Reactor, example: dict[str, Any]) -> None:
    client, told = served(net, example, Answers), list[Any]()
    client.ask(b"too early", lambda answer, error: told.append(error))
    assert told == []
    net.run_once(0)
    assert [str(each) for each in told] == ["there is no connection at present"]


def test_closing_tells_who_waits(net: Reactor, example: dict[str, Any]) -> None:
    client = served(net, example, FrameRecorder)
    told = ask_all(net, client, b"one", b"two")
    client.close()
    run_until(net, lambda: len(told) == 2)
    assert {str(each) for each in told} == {"the connection was lost: it was closed"}
    assert net.stats()["timers"] <= 2, "of the server, and of a socket that lingers"


def test_the_example_is_short_and_runs() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 80
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, str(EXAMPLE), "127.0.0.1", str(server.getsockname()[1])]
        here = {**os.environ, "PYTHONPATH": str(EXAMPLE.parent.parent)}
        program = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=here)
        assert program.stdout is not None
        server.settimeout(30)
        with program.stdout, server.accept()[0] as peer:
            peer.settimeout(30)
            peer.sendall(peer.recv(100))
            assert program.stdout.readline() == "hello\n"
            program.terminate()
    assert program.wait(30) == 0
