"""Handle: a callback that is to be called once, unless it is cancelled first."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


class Handle:
    """A scheduled call. `cancel()` at any time before it; loop thread only."""

    __slots__ = ("_args", "_callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if not callable(callback):
            raise TypeError(f"a callable is needed, not {callback!r}")
        self._callback: Callable[..., object] = callback
        self._args = args
        self.cancelled = False

    def cancel(self) -> None:
        """Never make the call. What it would have used is let go at once, not when it would have been due."""
        self.cancelled = True
        self._callback, self._args = _nothing, ()

    def __call__(self) -> object:
        return self._callback(*self._args)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'cancelled' if self.cancelled else repr(self._callback)}>"


def check_plain(name: str, value: object) -> None:
    """Refuse a callback of which a call would run nothing. Too dear for what is called every turn."""
    if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
        raise TypeError(f"{name} is {value!r}, which is async, and nobody would await it: callbacks are plain")


def _nothing() -> None:
    """What a cancelled handle calls."""
