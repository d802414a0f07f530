"""Threads: blocking calls off the loop. Law: what comes back comes back on the loop thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_MAX_WORKERS = 8  # for calls that wait (names, files), not for calls that compute


class Threads:
    """A pool that is started by the first call. At most 8 calls run at once, the others wait for a place."""

    def __init__(self, call_soon_threadsafe: Callable[..., object]) -> None:
        self._call_soon_threadsafe = call_soon_threadsafe
        self._pool: ThreadPoolExecutor | None = None

    def submit(
        self, function: Callable[..., T], args: tuple[Any, ...], on_done: Callable[[Future[T]], object] | None
    ) -> Future[T]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_MAX_WORKERS, thread_name_prefix="reactor")
        future = self._pool.submit(function, *args)
        if on_done is not None:
            future.add_done_callback(lambda done: self._hand_over(on_done, done))
        return future

    def close(self) -> None:
        """Drop the calls that wait; those that run end on their own, and their results are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def abandon(self) -> None:
        """Forget the pool, in a child of fork(): its threads aren't there."""
        self._pool = None

    def _hand_over(self, on_done: Callable[[Future[T]], object], future: Future[T]) -> None:
        with suppress(RuntimeError):  # the loop was closed while the call ran: nobody is left to be told
            self._call_soon_threadsafe(on_done, future)
