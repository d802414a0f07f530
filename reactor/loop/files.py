"""Files: what a loop watches, for transports and for users. Law: one watch a file; a transport's is nobody else's."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any

from .ends import Ends
from .handle import handle_of
from .machine import THIS, Machine
from .owner import Owned
from .poller import key_of
from .watch import Callbacks, Watch, nothing_to_do

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Files(Owned):
    """The files of a loop."""

    __slots__ = ("_ends", "_key_of")

    machine: Machine = THIS  # where sockets and names come from

    def __init__(self, selector: selectors.BaseSelector, clock: Callable[[], float]) -> None:
        super().__init__(selector, clock)
        self._ends = Ends(selector)
        self._key_of = key_of(selector)

    def watch(self, fileobj: Any, on_read: Callable[[], object], on_write: Callable[[], object]) -> Watch:
        """Return a Watch without interest yet: `want()` sets it. For transports; one per file object."""
        return Watch(self._selector, fileobj, on_read, on_write)

    def watch_end(self, fileobj: Any, callback: Callable[[], object]) -> None:
        """Call once when a file object fails that nobody reads or writes for now, where the system can tell."""
        self._ends.add(fileobj, callback)

    def forget_end(self, fileobj: Any) -> None:
        """Call nobody for its end any more; before it is closed."""
        self._ends.remove(fileobj)

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call whenever `fd` (an int, or anything with `fileno()`) is readable; replaces an earlier callback."""
        self._refuse("add_reader")
        watch = self._watch_of(fd)
        watch.on_read = handle_of(callback, args)
        watch.add(_READ)

    def add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call whenever `fd` is writable; replaces an earlier callback."""
        self._refuse("add_writer")
        watch = self._watch_of(fd)
        watch.on_write = handle_of(callback, args)
        watch.add(_WRITE)

    def remove_reader(self, fd: Any) -> bool:
        """Stop calling back for reading; tell whether there was a callback. Before the fd is closed."""
        self.check_thread("remove_reader")
        return self._unwatch(fd, _READ)

    def remove_writer(self, fd: Any) -> bool:
        """Stop calling back for writing; tell whether there was a callback. Before the fd is closed."""
        self.check_thread("remove_writer")
        return self._unwatch(fd, _WRITE)

    def _watch_of(self, fd: Any) -> Watch:
        watch = self._callbacks_of(fd)
        if watch is None or not watch.renew():
            watch = Callbacks(self._selector, fd, nothing_to_do, nothing_to_do)
        return watch

    def _callbacks_of(self, fd: Any) -> Callbacks | None:
        """Return what is set for a file. Raises RuntimeError if it isn't the user's to watch."""
        key = self._key_of(fd)
        if key is None:
            return None
        if not isinstance(key.data, Callbacks):
            raise RuntimeError(f"{fd!r} is watched by its transport: use that, or a file of your own")
        return key.data

    def _unwatch(self, fd: Any, event: int) -> bool:
        watch = None if self._closed else self._callbacks_of(fd)
        if watch is None or not watch.mask & event:
            return False
        watch.remove(event)
        return True
