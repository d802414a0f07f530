"""Signals, delivered on the loop. Law: the wake-up fd is a doorbell; which signal came is kept by Python."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .handle import Handle
from .wakeup import Waker
from .watch import nothing_to_do

# The process has one wake-up fd. Ours stand here in the order they were set, on top of whoever's was there before, so
# that loops may come and go in any order and each finds the bell that is still hung.
_bells: list[int] = []


class Signals:
    """The signal handlers of one loop. Main thread only: `signal` itself insists."""

    def __init__(self, waker: Waker, schedule: Callable[[Handle], None]) -> None:
        self._waker = waker
        self._schedule = schedule
        self._handles: dict[int, Handle] = {}
        self._previous: dict[int, Any] = {}
        self._hung = False

    def add(self, signum: int, handle: Handle) -> None:
        """Call `handle` on the loop whenever `signum` comes; replaces what was there."""
        self._hang_bell()
        try:
            previous = signal.signal(signum, self._on_signal)
        except BaseException:
            self._take_bell_down()
            raise
        self._previous.setdefault(signum, previous)
        self._handles[signum] = handle

    def remove(self, signum: int) -> bool:
        """Give `signum` back to whoever had it; tell whether it was ours."""
        if self._handles.pop(signum, None) is None:
            return False
        previous = self._previous.pop(signum)
        signal.signal(signum, signal.SIG_DFL if previous is None else previous)
        self._take_bell_down()
        return True

    def take_interrupts(self, stop: Callable[[], object]) -> Callable[[], object]:
        """Take SIGINT if nobody else has: the first calls `stop`, the second raises. Return what undoes it."""
        if threading.current_thread() is not threading.main_thread():
            return nothing_to_do
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return nothing_to_do

        def interrupted(signum: int, frame: object) -> None:
            give_back()  # at once, so that the next one gets through to a callback that never ends
            stop()
            self._waker.wake()

        def give_back() -> None:
            if signal.getsignal(signal.SIGINT) is interrupted:  # the user may have put another in its place
                signal.signal(signal.SIGINT, signal.default_int_handler)

        def undo() -> None:
            if self._previous.get(signal.SIGINT) is interrupted:
                self._previous[signal.SIGINT] = signal.default_int_handler
            self._take_bell_down()
            give_back()  # last: from here on an interrupt raises

        signal.signal(signal.SIGINT, interrupted)  # first: from here on an interrupt raises nothing
        try:
            self._hang_bell()
        except BaseException:
            undo()
            raise
        return undo

    def close(self) -> None:
        for signum in list(self._handles):
            self.remove(signum)

    def _on_signal(self, signum: int, frame: object) -> None:
        """Runs between two bytecodes of anything: takes no lock, calls nothing of the user's."""
        self._schedule(Handle(self._deliver, (signum,)))
        self._waker.wake()

    def _deliver(self, signum: int) -> None:
        handle = self._handles.get(signum)  # looked up now: it may have been removed since the signal came
        if handle is not None:
            handle()

    def _hang_bell(self) -> None:
        """Let a signal that comes just before the selector sleeps wake it, too."""
        if not self._hung:
            fd = self._waker.signal_fd()
            previous = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
            if not _bells or previous != _bells[-1]:
                _bells.append(previous)  # somebody else's
            _bells.append(fd)
            self._hung = True

    def _take_bell_down(self) -> None:
        if not self._hung or self._handles:
            return
        self._hung = False
        fd = self._waker.signal_fd()
        _bells.remove(fd)
        current = signal.set_wakeup_fd(-1)
        with suppress(ValueError, OSError):  # whoever's it was has closed it meanwhile
            signal.set_wakeup_fd(_bells[-1] if current == fd else current, warn_on_full_buffer=False)
        if len(_bells) == 1:
            _bells.clear()
