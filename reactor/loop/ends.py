"""Ends: files that nobody reads or writes for now, whose failing is told all the same. Law: each once, and in step 2.

Selectors know no empty interest. epoll does, and tells of errors and hang-ups whoever is interested in what; so all of
them lie in an epoll of their own, which is one more file to the loop's selector, whatever that is. A system without
epoll tells nobody.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, BaseSelector
from typing import Any

from .watch import Watch, nothing_to_do

_MOST_EVENTS = 64  # in one turn


class Ends:
    """Who is to be told of which file's end. Costs a descriptor as soon as there was one."""

    def __init__(self, selector: BaseSelector) -> None:
        self._selector = selector
        self._epoll: Any = None
        self._watch: Watch | None = None
        self._callbacks: dict[int, Callable[[], object]] = {}

    def add(self, fileobj: Any, callback: Callable[[], object]) -> None:
        """Call once when this file fails or hangs up, if the system can tell; call `remove()` before it is closed."""
        fd = fileobj.fileno()
        if fd < 0 or not hasattr(select, "epoll"):  # a socket in memory has no number
            return
        with suppress(OSError):  # no descriptor to be had: nobody is told
            if self._watch is None:
                self._epoll = select.epoll()
                self._watch = Watch(self._selector, self._epoll, self._tell, nothing_to_do)
            if fd not in self._callbacks:
                self._epoll.register(fd, 0)
            self._callbacks[fd] = callback
            self._watch.want(EVENT_READ)

    def remove(self, fileobj: Any) -> None:
        """Tell nobody any more."""
        self._take(fileobj.fileno())

    def _take(self, fd: int) -> Callable[[], object]:
        callback = self._callbacks.pop(fd, None)
        if callback is None or self._watch is None:
            return nothing_to_do
        self._epoll.unregister(fd)
        if not self._callbacks:
            self._watch.want(0)
        return callback

    def _tell(self) -> None:
        for fd, _ in self._epoll.poll(0, _MOST_EVENTS):
            self._take(fd)()  # what a callback has removed is nobody's

    def abandon(self) -> None:
        """Forget all without a word to the kernel: a fork has made it somebody else's, too."""
        if self._watch is not None:
            self._watch.abandon()
        self.close()

    def close(self) -> None:
        """Forget all."""
        self._callbacks.clear()
        if self._watch is not None:
            self._watch.close()
            self._epoll.close()
            self._watch = None
