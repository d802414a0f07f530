"""Threads: blocking calls off the loop. Law: what comes back comes back on the loop thread, an exception always."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ..late import futures
from .handle import refuse_uncallable

T = TypeVar("T")


class Threads:
    """At most `most` calls run at once, each in a thread, and the others wait for a place.

    A thread ends when no call waits for it. The process ends when those that aren't `daemon` have made all the calls
    that they were given; nothing waits for a daemon.
    """

    def __init__(self, call_soon_threadsafe: Callable[..., object], most: int, daemon: bool) -> None:
        self._call_soon_threadsafe = call_soon_threadsafe
        self._most = most
        self._daemon = daemon
        self._lock = threading.Lock()  # over these two
        self._count = 0
        self._waiting: deque[tuple[futures.Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def submit(
        self,
        future: futures.Future[T],
        function: Callable[..., T],
        args: tuple[Any, ...],
        on_done: Callable[[futures.Future[T]], object] | None,
    ) -> None:
        """Let `future` tell what a call returns; then call `on_done(future)` on the loop."""
        if not callable(function):
            refuse_uncallable(function)
        if on_done is not None:
            future.add_done_callback(lambda done: self._hand_over(on_done, done))
        with self._lock:
            self._waiting.append((future, function, args))
            is_one_more = self._count < self._most
            self._count += is_one_more
        if is_one_more:
            self._start()

    def close(self) -> None:
        """Drop the calls that wait; those that run end on their own, and their results are dropped."""
        with self._lock:
            dropped, self._waiting = self._waiting, deque()
        for future, _, _ in dropped:
            future.cancel()

    def _start(self) -> None:
        """Start a thread; if there can be none, and no other will come to what waits, that is what the calls raise."""
        try:
            threading.Thread(target=self._work, name="reactor", daemon=self._daemon).start()
        except RuntimeError as exc:
            with self._lock:
                self._count -= 1
                failed, self._waiting = ((), self._waiting) if self._count else (self._waiting, deque())
            for future, _, _ in failed:
                if future.set_running_or_notify_cancel():
                    future.set_exception(exc)

    def _work(self) -> None:
        while (call := self._next()) is not None:
            make_call(*call)
            del call  # whose future nobody else may have

    def _next(self) -> tuple[futures.Future[Any], Callable[..., Any], tuple[Any, ...]] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._count -= 1
            return None

    def abandon(self) -> None:
        """Forget all, in a child of fork(): its threads aren't there, and one of them may have had the lock."""
        self._lock, self._count, self._waiting = threading.Lock(), 0, deque()

    def _hand_over(self, on_done: Callable[[futures.Future[T]], object], future: futures.Future[T]) -> None:
        with suppress(RuntimeError):  # the loop was closed while the call ran: nobody is left to be told
            self._call_soon_threadsafe(on_done, future)


def make_call(future: futures.Future[T], function: Callable[..., T], args: tuple[Any, ...]) -> None:
    """Make a call, unless it was cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args)
    except BaseException as exc:
        future.set_exception(exc)
        del future  # which has the exception, which has this frame
    else:
        future.set_result(result)
