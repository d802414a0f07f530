"""Interruptions: a busy endpoint, and exceptions out of nowhere: nothing is lost, comes twice, or is left.

Our own Ctrl-C is kept while the library runs. What a signal handler of somebody else's raises comes anywhere: the pure
twin may then lose a datagram that it has in hand, or send it twice, and nothing else. REACTOR_INTERRUPTIONS sets how
many come in each test.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from datagram.cast import DatagramEcho
from interruption import Interruption, interrupt_twice, raise_out_of_nowhere, run_for_two_turns

from reactor import Reactor

MOST = int(os.environ.get("REACTOR_INTERRUPTIONS", "25"))
NEVER = 1 << 30
PATIENCE = 1000  # turns
LOCAL = "127.0.0.1"


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


class Asked:
    """An endpoint that answers, over UDP or a Unix socket, and a plain socket that has asked it."""

    def __init__(self, kind: str, folder: Path, lossy: bool) -> None:
        self.lossy = lossy
        self.net = Reactor()
        self.reports: list[Any] = []
        self.net.set_exception_handler(lambda _, context: self.reports.append(context))
        self.echo = DatagramEcho()
        if kind == "udp":
            endpoint = self.net.bind_udp(lambda: self.echo, LOCAL, 0)
            self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.peer.connect(endpoint.get_extra_info("sockname"))
        else:
            ours, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.net.bind_udp(lambda: self.echo, None, 0, sock=ours)
        self.peer.setblocking(False)
        self.wanted: Counter[bytes] = Counter()
        self.came: Counter[bytes] = Counter()

    def ask(self, count: int) -> None:
        for number in range(count):
            self.wanted[b"%d" % number] += 1
            self.peer.send(b"%d" % number)

    def answered(self, where: str) -> None:
        """See to it that every answer comes, once."""
        for _ in range(PATIENCE):
            with suppress(BlockingIOError):
                while True:
                    self.came[self.peer.recv(100)] += 1
            if self.came == self.wanted:
                return
            self.net.run_once(0)
            if self.lossy and _ > 10:
                return
        raise AssertionError(f"{self.wanted} was asked, {self.came} came: {where}")

    def finish(self, where: str) -> None:
        self.lossy, self.wanted = False, self.came.copy()
        self.ask(3)
        self.answered(f"behind {where}")
        self.peer.close()
        self.net.close()
        assert self.echo.calls[0] == "made"
        assert self.echo.calls.count("made") == self.echo.calls.count("lost") == 1, where
        assert not self.reports, where


@pytest.mark.parametrize("act", [interrupt_twice, raise_out_of_nowhere])
@pytest.mark.parametrize("kind", ["udp", "unix"])
@pytest.mark.parametrize("made", [True, False], ids=["made", "new"])
def test_nothing_is_lost_wherever_a_turn_is_interrupted(
    mechanism: str, tmp_path: Path, kind: str, made: bool, act: Callable[[], None]
) -> None:
    lossy = act is raise_out_of_nowhere and (mechanism == "py" or kind == "unix")

    def interrupted_at(number: int) -> Interruption:
        asked = Asked(kind, tmp_path, lossy)
        if made:
            asked.net.run_once(0)
        asked.ask(5)
        interruption = Interruption(number, act)
        with suppress(KeyboardInterrupt), interruption:
            run_for_two_turns(asked.net)
        asked.answered(interruption.met)
        asked.finish(interruption.met)
        return interruption

    points = interrupted_at(NEVER).passed
    assert points > 20
    for number in range(0, points, max(1, points // MOST)):
        interrupted_at(number)
