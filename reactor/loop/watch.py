"""Watch: what one file object waits for, and who is told. Law: the selector changes only when the interest does."""

from __future__ import annotations

import errno
import select
import sys
from collections.abc import Callable
from selectors import BaseSelector, SelectSelector
from typing import Any

_MOST_ON_WINDOWS = 512  # FD_SETSIZE there, in Python's build: a count, not a number
_FIRST_DOUBTED = 1024  # FD_SETSIZE nearly everywhere: select(2) has no place for this number, nor for any above


class Watch:
    """The registration of one file object. Its identity is this object, never the fd number, which may be reused.

    `mask` is the interest in force: the loop looks at it again before each call, so what an earlier callback of the
    same turn gave up is not called.
    """

    __slots__ = ("_selector", "closed", "fileobj", "mask", "on_read", "on_write")

    def __init__(
        self,
        selector: BaseSelector,
        fileobj: Any,
        on_read: Callable[[], object],
        on_write: Callable[[], object],
    ) -> None:
        self._selector = selector
        self.fileobj = fileobj
        self.on_read = on_read
        self.on_write = on_write
        self.mask = 0
        self.closed = False

    def want(self, mask: int) -> None:
        """Be interested in EVENT_READ, EVENT_WRITE, both or nothing (0: selectors know no empty interest)."""
        if mask == self.mask or self.closed:
            return
        try:
            if not self.mask:
                self._register(mask)
            elif not mask:
                self._selector.unregister(self.fileobj)
            else:
                self._modify(mask)
        except BaseException:  # out of nowhere, too, when all was done
            key = self._selector.get_map().get(self.fileobj)
            self.mask = key.events if key is not None and key.data is self else 0
            raise
        self.mask = mask

    def _modify(self, mask: int) -> None:
        try:
            self._selector.modify(self.fileobj, mask, self)
        except OSError:  # its number is another file's by now; the selector has forgotten it
            self._register(mask)

    def _register(self, mask: int) -> None:
        """Register. Who is registered under this number has closed his file, or never owned it, and gives way."""
        if isinstance(self._selector, SelectSelector):
            number = _number_of(self.fileobj)
            _check_number(number)
            _check_count(number, len(self._selector.get_map()))
        try:
            self._selector.register(self.fileobj, mask, self)
        except KeyError:
            key = self._selector.get_map().get(self.fileobj)
            if key is None or not isinstance(key.data, Watch):
                raise
            key.data.want(0)
            self._selector.register(self.fileobj, mask, self)

    def close(self) -> None:
        """Be interested in nothing any more, whoever still asks for it. Before the file object is closed."""
        self.want(0)
        self.closed = True
        self.on_read = self.on_write = nothing_to_do  # or who has the watch would wait for the collector

    def abandon(self) -> None:
        """Be closed, without a word to the kernel: behind a fork it would be said for the parent, too."""
        self.mask = 0
        self.closed = True
        self.on_read = self.on_write = nothing_to_do

    def add(self, event: int) -> None:
        self.want(self.mask | event)

    def remove(self, event: int) -> None:
        self.want(self.mask & ~event)


class Callbacks(Watch):
    """What `add_reader()` and `add_writer()` have set for a file: whose it is only the user knows."""

    __slots__ = ()

    def renew(self) -> bool:
        """See to it that it is about the file that has the number now; False if its own file was closed."""
        mask = self.mask
        if not isinstance(self.fileobj, int):
            return _number_of(self.fileobj) >= 0
        self.want(0)  # the same number tells nothing: whoever closes a file without a word leaves it to another
        self.want(mask)
        return True


def _number_of(fileobj: Any) -> int:
    if isinstance(fileobj, int):
        return fileobj
    try:
        return fileobj.fileno()  # type: ignore[no-any-return]
    except ValueError:  # a closed file object
        return -1


def _check_number(fd: int) -> None:
    """Raise OSError for a descriptor that select() can't take: every poll would fail, and not this file alone.

    select() itself is asked: behind eventlet's patching, and on Windows, it takes any.
    """
    if fd < _FIRST_DOUBTED:
        return
    try:
        select.select([fd], [], [], 0)
    except ValueError:
        raise OSError(
            errno.EMFILE, f"select() takes no descriptor as high as {fd}: have fewer files open, or another selector"
        ) from None


def _check_count(fd: int, watched: int) -> None:
    """Raise OSError for a descriptor that is one too many for select() on Windows, which counts them.

    select() itself is asked, with as many: behind gevent's patching it takes any.
    """
    if watched < _MOST_ON_WINDOWS or fd < 0 or sys.platform != "win32":
        return
    try:
        select.select([fd] * (watched + 1), [], [], 0)
    except ValueError:
        raise OSError(
            errno.EMFILE,
            f"select() takes {watched} sockets on Windows, and has them: a lower max_connections keeps room for others",
        ) from None


def nothing_to_do() -> None:
    """What a direction that nobody watches calls."""
