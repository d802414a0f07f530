"""Signals, delivered on the loop. Law: the wake-up fd is a doorbell; which signal came is kept by Python.

A signal's handler and the wake-up fd are places of which the process has one, and that several may want. Who leaves
such a place gives it to who is below, in whatever order; what somebody else has put there meanwhile is left alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from .handle import Handle
from .wakeup import Waker

SignalHandler = Callable[[int, Any], object]

_NOBODY = -1  # no wake-up fd

# Whose bells hung where ours hang now. Loops that run on the main thread do so one inside another.
_bells: list[int] = []
_hang = partial(signal.set_wakeup_fd, warn_on_full_buffer=False)


class Place:
    """The handler of one signal. Ours stand in it one on another; the lowest was there before us."""

    def __init__(self, signum: int) -> None:
        self._signum = signum
        self._stack: list[Any] = []
        self._ours: list[SignalHandler] = []

    def take(self, handler: SignalHandler) -> None:
        """Put `handler` on top. Raises ValueError off the main thread."""
        top = signal.getsignal(self._signum)
        if not self._stack or top != self._stack[-1]:
            self._stack.append(signal.SIG_DFL if top is None else top)
        self._stack.append(handler)  # first: what isn't noted isn't given back
        self._ours.append(handler)
        try:
            signal.signal(self._signum, handler)
        except BaseException:
            self.give_back(handler)
            raise

    def give_back(self, handler: SignalHandler) -> None:
        """Take `handler` out, wherever it stands. Idempotent. Raises ValueError off the main thread."""
        below = [each for each in self._stack if each != handler]
        if below and signal.getsignal(self._signum) == handler:
            signal.signal(self._signum, below[-1])
        self._ours = [each for each in self._ours if each != handler]
        self._stack = below if self._ours else []

    def is_ours(self) -> bool:
        """Whether one of ours is called when the signal comes."""
        if not self._ours:  # maybe it isn't even a signal's number
            return False
        return signal.getsignal(self._signum) in self._ours

    def below(self, handler: SignalHandler) -> Any:
        """Return who had the place before `handler`."""
        return self._stack[self._stack.index(handler) - 1] if handler in self._stack else None


_places: dict[int, Place] = {}


def place_of(signum: int) -> Place:
    """Return the place of a signal's handler."""
    return _places.setdefault(signum, Place(signum))


def taken_signals() -> list[int]:
    """Return the signals whose handler is one of ours."""
    return [signum for signum, place in _places.items() if place.is_ours()]


class Signals:
    """The signal handlers of one loop. Main thread only: `signal` itself insists."""

    def __init__(self, waker: Waker, schedule: Callable[[Handle], None]) -> None:
        self._waker = waker
        self._schedule = schedule
        self.handles: dict[int, Handle] = {}
        self._on_signal: SignalHandler = self._noted  # one object, to be found again
        self.hung_on: int | None = None  # how many bells hung when ours was hung

    def add(self, signum: int, handle: Handle) -> None:
        """Call `handle` on the loop whenever `signum` comes; replaces what was there."""
        if not isinstance(signum, int):
            raise TypeError(f"signum is {signum!r}, it must be a number such as signal.SIGTERM")
        if signum not in self.handles:
            place_of(signum).take(self._on_signal)
        self.handles[signum] = handle

    def remove(self, signum: int) -> bool:
        """Give `signum` back to whoever had it; tell whether it was ours."""
        if signum not in self.handles:
            return False
        place_of(signum).give_back(self._on_signal)
        del self.handles[signum]
        return True

    def close(self) -> None:
        """Give all back. Off the main thread each is given back when its signal comes, to whoever gets it then."""
        for signum in list(self.handles):
            with suppress(ValueError):
                place_of(signum).give_back(self._on_signal)
        self.handles.clear()

    def _noted(self, signum: int, frame: object) -> None:
        """Runs between two bytecodes of anything: takes no lock, calls nothing of the user's."""
        if signum not in self.handles:  # closed off the main thread
            place_of(signum).give_back(self._on_signal)
            return signal.raise_signal(signum)
        self._schedule(Handle(self._deliver, signum))
        return self._waker.wake()

    def _deliver(self, signum: int) -> None:
        handle = self.handles.get(signum)  # looked up now: it may have been removed since the signal came
        if handle is not None:
            handle()

    # --- the bell

    @property
    def depth(self) -> int:
        """How many bells hung below ours when it was hung; -1 while it isn't."""
        return -1 if self.hung_on is None else self.hung_on

    def hang_bell(self) -> None:
        """Let a signal that comes just before the selector sleeps wake it, too. For a run on the main thread."""
        if self.hung_on is None:
            self.hung_on = len(_bells)
            with suppress(ValueError):  # a sub-interpreter, which no signal comes to
                _bells.extend(map(_hang, (self._waker.signal_fd(),)))  # done and noted in one step
            self._waker.pass_on = self._pass_on

    def take_bell_down(self) -> None:
        """Hang up again whose bell hung there. Idempotent."""
        at = self.hung_on
        if at is None:
            return
        if len(_bells) > at:
            current = _hang_or_nobody(_bells[at])
            if current not in (self._waker.signal_fd(), _bells[at]):  # somebody has hung his meanwhile
                _hang_or_nobody(current)
            del _bells[at:]
        self.hung_on = None

    def _pass_on(self, rings: bytes) -> None:
        """Ring for whose bell hung there: to an asyncio loop around us the numbers are the message."""
        at, numbers = self.hung_on, rings.replace(b"\0", b"")
        below = _bells[at] if at is not None and at < len(_bells) else _NOBODY
        if numbers and below != _NOBODY:
            with suppress(OSError):
                os.write(below, numbers)


def _hang_or_nobody(fd: int) -> int:
    """Hang a bell; return whose hung there."""
    try:
        return _hang(fd)
    except (ValueError, OSError):  # whoever's it was has closed it meanwhile
        return _hang(_NOBODY)
