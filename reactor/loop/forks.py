"""Forks: what a child of fork() gives up, and what its parent keeps in mind. Law: a child says no word to anybody.

What a loop has is shared behind a fork: sockets, what the kernel watches, the bell. The child closes its copies with
close(2) alone, which is no word to the peer and none to the kernel's epoll, and gives signals and the bell back. So
nothing of the parent's is held by its children, and a new loop works there.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from typing import Any
from typing import Protocol as Interface

from .report import log_context
from .signals import taken_signals

happened = False  # in this process: then another may have copies of what it closes


class Loop(Interface):
    """What a fork leaves behind."""

    @property
    def _depth(self) -> int: ...
    def _leave_signals(self) -> None: ...
    def _abandon(self) -> None: ...


_loops: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # each with the process that made it
_masks = threading.local()  # of each thread that forks: which signals it had blocked


def remember(loop: Loop) -> None:
    """Have a loop abandoned in every child."""
    _loops[loop] = os.getpid()


def _before() -> None:
    """Keep our signals from the child until it has given them back: there they would ring the parent's bell."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, taken_signals())


def _in_parent() -> None:
    global happened
    happened = True
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _in_child() -> None:
    global happened
    happened = False  # first: what is closed below is the parent's, and must not be told its end
    pid = os.getpid()
    loops = [loop for loop, its_pid in _loops.items() if its_pid != pid]
    loops.sort(key=lambda loop: loop._depth, reverse=True)  # who hung his bell last takes it down first
    for step in ("_leave_signals", "_abandon"):
        for loop in loops:
            _try(loop, step)
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _try(loop: Loop, step: str) -> None:
    """Take a step of one loop; what is wrong with it is nothing to the others."""
    try:
        getattr(loop, step)()
    except Exception as exc:
        log_context({"message": "a loop can't be abandoned in a child of fork()", "exception": exc, "loop": loop})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
