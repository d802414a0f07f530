"""SimSelector: knows which simulated sockets are ready. Law: in the order in which they became so: a seed decides it.

Who changes says so with `mark()`; a look asks only those. What is ready and not taken stays marked.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from typing import Any

from ...loop.wakeup import Waker

_EVENTS = selectors.EVENT_READ | selectors.EVENT_WRITE


class SimSelector(selectors.BaseSelector):
    """Never waits: `wake()` is called when something that somebody is interested in became ready."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._marked: dict[Any, None] = {}
        self._count = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if not hasattr(fileobj, "readiness"):
            raise ValueError(f"{fileobj!r} is a file of the system's: a simulation has none")
        if not events or events & ~_EVENTS:
            raise ValueError(f"events is {events!r}, which is no interest")
        if fileobj in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        self._count += 1
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, self._count, events, data)
        fileobj.selector = self
        self.mark(fileobj)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = self._keys[fileobj]._replace(events=events, data=data)
        self.mark(fileobj)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys.pop(fileobj)
        self._marked.pop(fileobj, None)
        fileobj.selector = None
        return key

    def mark(self, fileobj: Any) -> None:
        """Note that a file may have become ready."""
        if fileobj in self._marked:
            return
        key = self._keys.get(fileobj)
        if key is not None and fileobj.readiness(key.events):
            self._marked[fileobj] = None
            self._wake()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = []
        for fileobj in list(self._marked):
            key = self._keys[fileobj]
            mask = fileobj.readiness(key.events)
            if mask:
                ready.append((key, mask))
            else:
                del self._marked[fileobj]
        return ready

    def has_ready(self) -> bool:
        """Tell whether a look would find anything."""
        for fileobj in list(self._marked):
            if fileobj.readiness(self._keys[fileobj].events):
                return True
            del self._marked[fileobj]
        return False

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._keys.clear()
        self._marked.clear()


class SimWaker(Waker):
    """A doorbell without a descriptor."""

    selector: Any = None

    def __init__(self) -> None:
        self.rung = False
        self.rings = 0
        self.pass_on = None

    def readiness(self, events: int = _EVENTS) -> int:
        return selectors.EVENT_READ if self.rung else 0

    def fileno(self) -> int:
        return -1

    def signal_fd(self) -> int:
        return -1

    def wake(self) -> None:
        if not self.rung:
            self.rung = True
            self.rings += 1
            if self.selector is not None:
                self.selector.mark(self)

    def drain(self) -> None:
        self.rung = False

    def close(self) -> None:
        self.selector = None
