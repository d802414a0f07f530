"""Deadlines: the bounded waits of one connection, on one timer. Law: moving one later costs no timer operation.

A wait that seems over is judged only behind a full look of the loop: what had arrived by then, and what could be sent,
comes before the verdict.
"""

from __future__ import annotations

from typing import Protocol as Interface

from ..errors import ConnectionTimeout
from ..loop import EventLoop, Timer

_TEXTS = {
    "handshake_timeout": "the TLS handshake was not completed",
    "idle_timeout": "no byte came or went",
    "read_timeout": "no byte came from the peer",
    "frame_timeout": "a frame was begun and not completed",
    "write_timeout": "bytes waited and the peer took none",
    "close_timeout": "the connection was closing, bytes still waited and the peer took none",
}


class Owner(Interface):
    """Whose waits they are. `excuses(wait)`: the peer could not have acted, or has: the wait is not over."""

    def excuses(self, wait: str) -> bool: ...
    def timed_out(self, wait: str, exc: ConnectionTimeout) -> None: ...


class Deadlines:
    """Waits by the name of the limit that bounds them. The timer looks at them when the first could be due."""

    __slots__ = ("_due", "_loop", "_owner", "_timer")

    def __init__(self, loop: EventLoop, owner: Owner) -> None:
        self._loop = loop
        self._owner: Owner | None = owner
        self._due: dict[str, tuple[float, float]] | None = None  # while there is no wait
        self._timer: Timer | None = None

    def start(self, wait: str, seconds: float) -> None:
        """Begin a wait, or begin it anew."""
        due = self._loop.time() + seconds
        if self._due is None:
            self._due = {}
        self._due[wait] = due, seconds
        if self._timer is None or self._timer.when > due:
            self._arm(due)

    def stop(self, wait: str) -> None:
        if self._due is not None:
            self._due.pop(wait, None)
            self._due = self._due or None

    def __contains__(self, wait: str) -> bool:
        return self._due is not None and wait in self._due

    def close(self) -> None:
        self._due = self._owner = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def mend(self) -> None:
        """Look anew, whatever became of the timer."""
        if self._due:
            self._arm(min(due for due, _ in self._due.values()))

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.timer(self._look)  # known before it is set: none is ever set that nobody cancels
        self._timer.start(due)

    def _look(self) -> None:
        self._timer = None
        if self._due:
            self._loop.call_after_look(self._judge)

    def _judge(self) -> None:
        if not self._due or self._owner is None or self._timer is not None:
            return
        wait, (due, seconds) = min(self._due.items(), key=lambda item: item[1])
        if due > self._loop.time():
            self._arm(due)
        elif self._owner.excuses(wait):
            self._look()
        else:
            self._owner.timed_out(wait, ConnectionTimeout(f"{_TEXTS[wait]} for {seconds:g} s, which is {wait}"))
