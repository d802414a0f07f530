"""SimCalls: what `run_in_thread()` and looking up a name do here. Law: no thread; a call is made at a told time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ...loop.threads import make_call
from .events import Events


class SimCalls:
    """Has the methods of the loop's `Threads`. `seconds()` says how long the next call takes."""

    def __init__(
        self, events: Events, seconds: Callable[[], float], may_run: Callable[[], bool], leave: Callable[..., object]
    ) -> None:
        self._events = events
        self._seconds = seconds
        self._may_run = may_run  # False while the host stands still
        self._leave = leave
        self._closed = False

    def submit(self, future: Any, function: Callable[..., Any], args: tuple[Any, ...], on_done: Any) -> None:
        """Let `future` tell what a call returns; then call `on_done(future)` on the loop."""
        if on_done is not None:
            future.add_done_callback(lambda done: self._hand_over(on_done, done))
        self._events.after(self._seconds(), self._make, future, function, args)

    def _make(self, future: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self._closed:
            future.cancel()
        elif not self._may_run():
            self._events.after(self._seconds(), self._make, future, function, args)
        else:
            make_call(future, function, args)
            del future  # which has the exception, which has this frame

    def _hand_over(self, on_done: Callable[[Any], object], future: Any) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self._leave(on_done, future)

    def close(self) -> None:
        self._closed = True

    def abandon(self) -> None:
        self._closed = True
