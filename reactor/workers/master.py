"""Master: starts workers, watches them, replaces them, ends them. Law: it runs no code of the app's, and serves nobody.

So nothing that the app does can stop it, and a worker that it forks has none of the app's modules yet.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from ..errors import ReactorError
from ..loop import EventLoop, Timer
from ..loop.report import Repeats, say
from ..transport import Backoff
from . import worker as child
from .app import Setup
from .binding import Sockets
from .channel import Channel
from .notify import Notify

_START_WITHIN = 120.0  # seconds for the app's import and setup; systemd gives a whole start 90
_MARGIN = 5.0  # seconds beyond the grace before a worker is killed that should have ended by itself
_AT_ONCE = 3.0  # the same, for who is told to abort: closing may wait for what was sent before
_STATS_WITHIN = 2.0  # seconds for the workers to answer

_log = logging.getLogger(__name__)


class StartFailed(ReactorError):
    """The app can't be run. `trace`: where it failed."""

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.trace = trace


class Orders(NamedTuple):
    """What a master is to do."""

    target: str | Setup
    workers: int
    grace: float
    backoff: Backoff
    on_ready: Callable[[list[str]], object]
    on_stats: Callable[[dict[str, Any]], object]


class Worker:
    """One process, as its master knows it."""

    def __init__(self, pid: int, place: Place, now: float) -> None:
        self.pid = pid
        self.place = place
        self.since = now
        self.ready = False
        self.failure: dict[str, str] | None = None  # what it said of its app
        self.stats: dict[str, int] | None = None
        self.start: Timer  # runs until it is ready
        self.deadline: Timer | None = None  # once it was told to end
        self.channel: Channel

    @property
    def state(self) -> str:
        return "ending" if self.deadline is not None else "ready" if self.ready else "starting"

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def __str__(self) -> str:
        return f"worker {self.place.number} (pid {self.pid})"


class Place:
    """Where one worker serves, and the next one after it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: Worker | None = None
        self.successor: Worker | None = None  # is being started, in a reload
        self.failures = 0  # in a row
        self.timer: Timer | None = None  # till the next one begins
        self.told = Repeats()

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Master:
    """Runs on a loop of its own until it is told to stop, or the app can't be started: then `run()` raises."""

    def __init__(self, loop: EventLoop, orders: Orders, sockets: Sockets, notify: Notify) -> None:
        self._loop = loop
        self._orders = orders
        self._sockets = sockets
        self._notify = notify
        self._workers: dict[int, Worker] = {}
        self._places = [Place(number) for number in range(orders.workers)]
        self._started = False  # all have been ready once
        self._stopping = self._aborting = False
        self._to_reload: list[Place] | None = None  # while there is a reload
        self._reload_again = False
        self._asked: set[int] | None = None  # who hasn't told his stats yet
        self._error: StartFailed | None = None
        self.restarts = self.reloads = 0

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises StartFailed."""
        for signum, act in (
            (signal.SIGCHLD, self._reap),
            (signal.SIGTERM, self._stop),
            (signal.SIGINT, self._stop),
            (signal.SIGHUP, self._reload),
            (signal.SIGUSR1, self._gather),
        ):
            self._loop.add_signal_handler(signum, act)
        if self._notify.watchdog is not None:
            self._loop.call_every(self._notify.watchdog / 2, self._notify.tell, "WATCHDOG=1")
        self._loop.call_soon(self._begin, self._places[0])  # alone: what is wrong with the app is met once
        self._loop.run()
        if self._error is not None:
            raise self._error

    # --- workers

    def _begin(self, place: Place) -> None:
        """Start a worker in a place that has none, or as the successor of the one that it has."""
        place.cancel()
        try:
            worker = self._fork(place)
        except OSError as exc:  # no process or no descriptor is to be had
            return self._could_not_begin(place, exc)
        if place.worker is None:
            place.worker = worker
        else:
            place.successor = worker
        return None

    def _fork(self, place: Place) -> Worker:
        ours, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or what it holds is printed by both
        before = signal.pthread_sigmask(signal.SIG_BLOCK, child.MASTERS)  # until the child knows what to do with them
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                theirs.close()
            if pid < 0:
                ours.close()
        if pid == 0:
            ours.close()  # first: a copy of it would keep the master alive in the eyes of a worker
            for worker in self._workers.values():
                worker.channel.abandon()
            child.main(self._orders.target, self._sockets.keep(place.number), theirs, self._orders.grace)
        worker = self._workers[pid] = Worker(pid, place, self._loop.time())
        worker.channel = Channel(self._loop, ours, lambda message: self._heard(worker, message), lambda: None)
        worker.start = self._loop.call_later(_START_WITHIN, self._too_late, worker)
        return worker

    def _too_late(self, worker: Worker) -> None:
        """End a worker that doesn't come up: a start, or a reload, would wait for it for ever."""
        worker.failure = {"failed": f"the app was not ready within {_START_WITHIN:g} s", "trace": ""}
        worker.kill()

    def _heard(self, worker: Worker, message: dict[str, Any]) -> None:
        if "ready" in message:
            worker.ready = True
            worker.start.cancel()
            self._became_ready(worker)
        elif "failed" in message:
            worker.failure = message
        elif "stats" in message:
            worker.stats = message["stats"]
            self._answered(worker)

    def _became_ready(self, worker: Worker) -> None:
        place = worker.place
        say(_log, logging.INFO, "%s is ready", worker)
        if self._stopping:
            return
        if place.successor is worker:
            old, place.worker, place.successor = place.worker, worker, None
            if old is not None:
                self._end(old, "drain", self._orders.grace + _MARGIN)
        if not self._started:
            self._go_on_starting()
        elif self._to_reload is not None:
            self._go_on_reloading()

    def _go_on_starting(self) -> None:
        for place in self._places:
            if place.worker is None and place.timer is None:
                self._begin(place)
        if all(place.worker is not None and place.worker.ready for place in self._places):
            self._started = True
            self._notify.tell("READY=1", f"STATUS={len(self._places)} workers")
            self._orders.on_ready(self._sockets.addresses)
            if self._reload_again:
                self._reload()

    def _end(self, worker: Worker, order: str, within: float) -> None:
        """Tell a worker to end, and see to it that it does."""
        worker.channel.say(order=order)
        if worker.deadline is not None:
            worker.deadline.cancel()
        worker.deadline = self._loop.call_later(within, self._kill, worker)

    def _kill(self, worker: Worker) -> None:
        say(_log, logging.WARNING, "%s hasn't ended in time, and is killed", worker)
        worker.kill()

    def _could_not_begin(self, place: Place, exc: OSError) -> None:
        text = f"worker {place.number} can't be started: {exc.strerror or exc}"
        if not self._started:
            self._error = StartFailed(text)
            return self._stop()
        if place.worker is not None:
            return self._give_up_reload(text)
        return self._begin_later(place, text)

    # --- ends of workers

    def _reap(self) -> None:
        """Take the ends of children; as process 1 also of those that nobody else has."""
        for pid in (-1,) if os.getpid() == 1 else list(self._workers):
            with suppress(ChildProcessError):
                while (ended := os.waitpid(pid, os.WNOHANG))[0]:
                    if ended[0] in self._workers:
                        self._ended(self._workers.pop(ended[0]), ended[1])
                    if pid > 0:
                        break

    def _ended(self, worker: Worker, status: int) -> None:
        worker.channel.read()  # its last words
        worker.channel.close()
        worker.start.cancel()
        if worker.deadline is not None:
            worker.deadline.cancel()
        self._answered(worker)
        place = worker.place
        if self._stopping:
            if not self._workers:
                self._loop.stop()
        elif place.successor is worker:
            place.successor = None
            self._give_up_reload(f"{worker} {_why(worker, status)}")
            if place.worker is None:
                self._restart(worker, status)
        elif place.worker is worker:
            place.worker = None
            if not (self._started or worker.ready):
                self._fail(worker, status)
            elif place.successor is None:  # else that one is on its way
                self._restart(worker, status)

    def _restart(self, worker: Worker, status: int) -> None:
        """Have another worker begin in the place of one that is dead."""
        place = worker.place
        if self._loop.time() - worker.since >= self._orders.backoff.longest:
            place.failures, place.told = 0, Repeats()
        self.restarts += 1
        self._begin_later(place, f"{worker} {_why(worker, status)}")

    def _begin_later(self, place: Place, text: str) -> None:
        """Have a worker begin, the later the more often it was needed."""
        place.failures += 1
        delay = self._orders.backoff.wait(place.failures)
        if place.told.note(self._loop.time()):
            say(_log, logging.ERROR, "%s; another begins in %.3g s, and later each time", text, delay)
        place.timer = self._loop.call_later(delay, self._begin, place)
        if self._to_reload is not None and place not in self._to_reload:  # nothing would go on with the reload
            self._to_reload.append(place)

    def _fail(self, worker: Worker, status: int) -> None:
        """Give up: what can't be started isn't tried again and again."""
        failure = worker.failure or {"failed": f"{worker} {_how(status)} before it was ready", "trace": ""}
        self._error = StartFailed(failure["failed"], failure["trace"])
        self._stop()
        if not self._workers:
            self._loop.stop()

    # --- signals

    def _stop(self) -> None:
        """End in good order; the second time at once."""
        self._aborting, self._stopping = self._stopping, True
        self._notify.tell("STOPPING=1")
        for place in self._places:
            place.cancel()
        self._sockets.close()
        order, within = ("abort", _AT_ONCE) if self._aborting else ("drain", self._orders.grace + _MARGIN)
        for worker in self._workers.values():
            self._end(worker, order, within)
        if not self._workers:
            self._loop.stop()

    def _reload(self) -> None:
        """Replace all workers, one by one."""
        if self._stopping:
            return
        if not self._started or self._to_reload is not None:
            self._reload_again = True
            return
        self._reload_again = False
        say(_log, logging.INFO, "replacing %d workers", len(self._places))
        self._notify.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._to_reload = list(self._places)
        self._go_on_reloading()

    def _go_on_reloading(self) -> None:
        """Begin the next successor, unless one is being started."""
        if self._to_reload is None or any(place.successor is not None for place in self._places):
            return
        if self._to_reload:
            place = self._to_reload.pop(0)
            if place.worker is not None and not place.worker.ready:  # it has begun a moment ago
                self._end(place.worker, "drain", self._orders.grace + _MARGIN)
                place.worker = None
            self._begin(place)
        elif all(place.worker is not None and place.worker.ready for place in self._places):
            self._end_reload()

    def _end_reload(self) -> None:
        self._to_reload = None
        self.reloads += 1
        self._notify.tell("READY=1")
        if self._reload_again:
            self._reload()

    def _give_up_reload(self, text: str) -> None:
        """Go on with the workers that there are: the new ones can't be started."""
        say(_log, logging.ERROR, "%s; the old workers go on", text)
        self._to_reload = None
        self._notify.tell("READY=1", "STATUS=a reload failed, the old workers go on")
        if self._reload_again:
            self._reload()

    # --- stats

    def _gather(self) -> None:
        """Ask all workers, and tell when they have answered."""
        if self._asked is not None:
            return
        self._asked = set(self._workers)
        self._loop.call_later(_STATS_WITHIN, self._tell_stats, self._asked)
        for worker in self._workers.values():
            worker.stats = None
            worker.channel.say(order="stats")
        self._answered(None)

    def _answered(self, worker: Worker | None) -> None:
        if self._asked is None:
            return
        if worker is not None:
            self._asked.discard(worker.pid)
        if not self._asked:
            self._tell_stats(self._asked)

    def _tell_stats(self, asked: set[int]) -> None:
        """Tell what is known; who hasn't answered has no stats."""
        if self._asked is not asked:
            return
        self._asked = None
        workers = [
            {"worker": each.place.number, "pid": each.pid, "state": each.state, "stats": each.stats}
            for each in self._workers.values()
        ]
        counts = {"pid": os.getpid(), "restarts": self.restarts, "reloads": self.reloads}
        self._orders.on_stats({**counts, "workers": workers})


def _why(worker: Worker, status: int) -> str:
    """Return how a worker ended, and what it said of that."""
    if worker.failure is None:
        return _how(status)
    failed, trace = worker.failure["failed"], worker.failure["trace"].rstrip()
    return f"ended, for {failed}\n{trace}\n{worker}" if trace else f"was killed, for {failed}"


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
