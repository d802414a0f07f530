"""Handle: a callback that is to be called once, unless it is cancelled first."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn


def nothing() -> None:
    """What a cancelled handle calls."""


_CANCELLED: tuple[Any, ...] = (nothing, (), {}, None)


class Handle(partial):  # type: ignore[type-arg]  # 3.10 has it in annotations alone
    """A scheduled call. `cancel()` at any time before it; loop thread only.

    It is a `partial`: neither making nor calling it runs Python code, so nothing that a signal handler raises comes
    between the queue that it has left and its callback.
    """

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.func is nothing

    def cancel(self) -> None:
        """Never make the call. What it would have used is let go at once, not when it would have been due."""
        self.__setstate__(_CANCELLED)  # type: ignore[attr-defined]  # how a partial is told anew

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'cancelled' if self.cancelled else repr(self.func)}>"


def refuse_uncallable(callback: object) -> NoReturn:
    """Say why no handle could be made."""
    raise TypeError(f"a callable is needed, not {callback!r}") from None


def handle_of(callback: Callable[..., object], args: tuple[Any, ...]) -> Handle:
    """Return a handle. Raises TypeError for what can't be called."""
    if not callable(callback):
        refuse_uncallable(callback)
    return Handle(callback, *args)


def check_plain(name: str, value: object) -> None:
    """Refuse a callback of which a call would run nothing. Too dear for what is called every turn."""
    if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
        raise TypeError(f"{name} is {value!r}, which is async, and nobody would await it: callbacks are plain")
