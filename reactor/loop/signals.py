"""Signals, delivered on the loop. Law: the wake-up fd is a doorbell; which signal came is kept by Python."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from .handle import Handle
from .wakeup import Waker


class Signals:
    """The signal handlers of one loop. Main thread only: `signal` itself insists."""

    def __init__(self, waker: Waker, schedule: Callable[[Handle], None]) -> None:
        self._waker = waker
        self._schedule = schedule
        self._handles: dict[int, Handle] = {}
        self._previous: dict[int, object] = {}
        self._previous_fd: int | None = None

    def add(self, signum: int, handle: Handle) -> None:
        """Call `handle` on the loop whenever `signum` comes; replaces what was there."""
        if self._previous_fd is None:
            self._previous_fd = signal.set_wakeup_fd(self._waker.signal_fd(), warn_on_full_buffer=False)
        try:
            previous = signal.signal(signum, self._on_signal)
        except BaseException:
            self._release_fd()
            raise
        self._previous.setdefault(signum, previous)
        self._handles[signum] = handle

    def remove(self, signum: int) -> bool:
        """Give `signum` back to whoever had it; tell whether it was ours."""
        if self._handles.pop(signum, None) is None:
            return False
        previous = self._previous.pop(signum)
        signal.signal(signum, signal.SIG_DFL if previous is None else previous)  # type: ignore[arg-type]
        self._release_fd()
        return True

    def take_interrupts(self, stop: Callable[[], object]) -> Handle | None:
        """Take SIGINT if nobody else has: the first calls `stop`, the second raises KeyboardInterrupt."""
        if threading.current_thread() is not threading.main_thread():
            return None
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return None

        def interrupted() -> None:
            self.give_interrupts_back(taken)
            stop()

        taken = Handle(interrupted, ())
        self.add(signal.SIGINT, taken)
        return taken

    def give_interrupts_back(self, taken: Handle | None) -> None:
        """Undo `take_interrupts()`, unless the user has put a handler in its place."""
        if taken is not None and self._handles.get(signal.SIGINT) is taken:
            self.remove(signal.SIGINT)

    def close(self) -> None:
        for signum in list(self._handles):
            self.remove(signum)

    def _on_signal(self, signum: int, frame: object) -> None:
        """Runs between two bytecodes of anything: takes no lock, calls nothing of the user's."""
        handle = self._handles.get(signum)
        if handle is not None:
            self._schedule(handle)
            self._waker.wake()

    def _release_fd(self) -> None:
        if not self._handles and self._previous_fd is not None:
            signal.set_wakeup_fd(self._previous_fd)
            self._previous_fd = None
