"""Worker: a process that runs the app. Law: it does what its master says, and goes when that is gone.

Orders come by the channel, not by signals: these come to a whole group at once, from a terminal or from systemd, and
then twice would mean once.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from socket import socket
from typing import Any, NoReturn

from ..reactor import Reactor
from .app import Setup, load, told
from .channel import Channel

MASTERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)  # signals that are the master's business


def main(target: str | Setup, socks: list[socket], link: socket, grace: float) -> NoReturn:
    """Run the app until it is told to end; in a child of fork(), whose end this is."""
    status = 1
    try:
        atexit._clear()  # what is to be done at the master's end is not to be done at ours
        atexit.register(logging.shutdown)
        for signum in MASTERS:
            signal.signal(signum, _not_for_us)  # a function, for programs that are started get their default back
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, MASTERS)
        status = _work(target, socks, link, grace)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status)


def _work(target: str | Setup, socks: list[socket], link: socket, grace: float) -> int:
    with Reactor() as reactor:
        worker = Worker(reactor, link, grace)
        try:
            load(target)(reactor, socks)
        except BaseException as exc:
            worker.channel.say(**told(target, exc))
            return 1
        reactor.call_soon(worker.ready)
        reactor.run()
    return 0


class Worker:
    """What the master says, done."""

    def __init__(self, reactor: Reactor, link: socket, grace: float) -> None:
        self._reactor = reactor
        self._grace = grace
        self.channel = Channel(reactor, link, self._ordered, self._drain)
        reactor.add_signal_handler(signal.SIGTERM, self._drain)

    def ready(self) -> None:
        self.channel.say(ready=True)

    def _ordered(self, message: dict[str, Any]) -> None:
        {"drain": self._drain, "abort": self._abort, "stats": self._tell_stats}[message["order"]]()

    def _drain(self) -> None:
        """Accept nobody any more, and end when the last connection has, or after the grace."""
        self._reactor.drain(self._grace, lambda _: self._reactor.stop())

    def _abort(self) -> None:
        self._reactor.stop()  # and close() resets what stands

    def _tell_stats(self) -> None:
        self.channel.say(stats=self._reactor.stats())


def _not_for_us(signum: int, frame: object) -> None:
    """Do nothing: the master has got it, too."""


def _leave(status: int) -> NoReturn:
    """End as a program does, and not by the way that led here, which is the master's."""
    try:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    finally:
        os._exit(status)
