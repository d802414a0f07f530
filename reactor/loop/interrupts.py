"""Interrupts: Ctrl-C while a loop runs. Law: KeyboardInterrupt comes out of user code, or between turns.

Never between two lines of the library (trio keeps it as well): those have no order to leave behind.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from opcode import opname
from types import FrameType
from typing import Any, TypeGuard

from .signals import Place, place_of
from .turn import Turn

_LIBRARY = __name__.rpartition("loop.")[0]  # "reactor.", or where a vendored copy lies

# Where nothing is out of order at any line, and a callback without a frame of its own, time.sleep for one, is called.
_IN_ORDER = {Turn._run_all.__code__, Turn._run_timers.__code__}


class Interrupts:
    """SIGINT while a loop runs on the main thread, if nobody has taken it: the first stops it, the second raises."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._came = 0
        self._kept = False
        self._place: Place | None = None
        self._handler = self._interrupted  # one object, to be found again

    def take(self) -> None:
        """Take SIGINT from Python's default handler, or from a loop that this one runs inside of."""
        self._came, self._kept = 0, False
        if threading.current_thread() is not threading.main_thread():
            return
        current = signal.getsignal(signal.SIGINT)
        if current is signal.default_int_handler or _is_ours(current):
            self._place = place_of(signal.SIGINT)
            try:
                self._place.take(self._handler)
            except ValueError:  # what threading takes for the main thread isn't
                self._place = None

    def give_back(self) -> None:
        """Give it back. Idempotent."""
        if self._place is not None:
            self._place.give_back(self._handler)
            self._place = None

    def raise_kept(self) -> None:
        """Raise what came where it couldn't be raised."""
        if self._kept:
            self._kept = False
            raise KeyboardInterrupt

    def _interrupted(self, signum: int, frame: FrameType | None) -> Any:
        self._came += 1
        self._stop()
        if self._came == 1:
            around = None if self._place is None else self._place.below(self._handler)
            return around(signum, frame) if _is_ours(around) else None
        if _in_user_code(frame):
            raise KeyboardInterrupt
        self._kept = True
        return None


def _is_ours(handler: Any) -> TypeGuard[Callable[..., Any]]:
    """Whether a loop has SIGINT for the time that it runs."""
    return isinstance(getattr(handler, "__self__", None), Interrupts)


def _in_user_code(frame: FrameType | None) -> bool:
    """Whether the line that is being run is the user's: his own, or one of the standard library's on his behalf."""
    users = False
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(_LIBRARY):
            return (users and _calls(frame)) or frame.f_code in _IN_ORDER
        users = users or name.partition(".")[0] not in sys.stdlib_module_names
        frame = frame.f_back
    return True


def _calls(frame: FrameType) -> bool:
    """Whether it is in a call: a debugger's lines, and another signal's handler, come between two others of it."""
    code, at = frame.f_code.co_code, frame.f_lasti
    while at and opname[code[at]] == "CACHE":  # of the call, which 3.11 has passed when it enters a Python function
        at -= 2
    return opname[code[at]].startswith("CALL")
