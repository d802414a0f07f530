"""One bounded look at what is ready. Law: what it returns is resolved, for a number may change its file in a turn.

Any `selectors.BaseSelector` can be looked at. The one that a loop has where there is epoll, unless it is given another,
is the standard library's with a bound on one look: the library's own makes room for as many events as there are
registrations and returns them all, and nobody's timers and answers should wait for so many callbacks. A look that found
less than its bound found all there was; what was found counts, whoever it was for.
"""

from __future__ import annotations

import math
import select
import selectors
from collections.abc import Callable
from functools import partial
from typing import Any

_MOST_EVENTS = 256  # in one look; the kernel puts who isn't among them at the head of the next one
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_HAS_EPOLL = hasattr(select, "epoll") and hasattr(selectors, "EpollSelector")  # gevent and eventlet take it from Linux

Ready = list[tuple[Any, int]]  # data of registrations; EVENT_READ, EVENT_WRITE or both
Poll = Callable[["float | None"], Ready]


class Nobody:
    """In place of a registration that there isn't any more: interested in nothing."""

    mask = 0


def poll_of(selector: selectors.BaseSelector) -> Poll:
    """Return what looks once, waiting as `selector.select(timeout)` does."""
    if _HAS_EPOLL and isinstance(selector, EpollSelector):
        return selector.poll
    return partial(_select, selector)


def bound_of(selector: selectors.BaseSelector) -> float:
    """Return how many a look finds at most; without end where the selector always returns all that are ready."""
    return _MOST_EVENTS if _HAS_EPOLL and isinstance(selector, EpollSelector) else math.inf


def default_selector() -> selectors.BaseSelector:
    """Return a new selector, the best that this system has."""
    return EpollSelector() if _HAS_EPOLL else selectors.DefaultSelector()


def key_of(selector: selectors.BaseSelector) -> Callable[[Any], Any]:
    """Return what finds the registration of a file, or None."""
    if _HAS_EPOLL and isinstance(selector, EpollSelector):
        return selector.key_of
    return lambda fileobj: selector.get_map().get(fileobj)


def _select(selector: selectors.BaseSelector, timeout: float | None) -> Ready:
    return [(key.data, mask) for key, mask in selector.select(timeout)]


if _HAS_EPOLL:
    from select import EPOLLIN, EPOLLOUT, epoll

    _EPOLL_MASKS = (0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT)

    def _number_of(fileobj: Any) -> int:
        """Return the descriptor of a file, -1 if it has none."""
        if type(fileobj) is int:
            return fileobj
        try:
            return int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            return -1

    def _mask_of(event: int) -> int:
        """Translate epoll's bits: an error or a hang-up is for whoever is interested in anything."""
        return (_READ if event & ~EPOLLOUT else 0) | (_WRITE if event & ~EPOLLIN else 0)

    class EpollSelector(selectors.EpollSelector):
        """The standard library's, and `poll()`. What it registers and forgets costs half: no call in Python below."""

        _selector: epoll  # these two are the base's, so named in every Python since 3.4
        _fd_to_key: dict[int, selectors.SelectorKey]

        def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            fd = _number_of(fileobj)
            if fd in self._fd_to_key or not 0 < events <= _READ | _WRITE:
                return super().register(fileobj, events, data)  # which says what is wrong
            self._fd_to_key[fd] = key = tuple.__new__(selectors.SelectorKey, (fileobj, fd, events, data))
            try:
                self._selector.register(fd, _EPOLL_MASKS[events])
            except FileExistsError:  # an exception out of nowhere has come when it was done
                self._selector.modify(fd, _EPOLL_MASKS[events])
            except BaseException:
                del self._fd_to_key[fd]
                raise
            return key

        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            key = self._fd_to_key.pop(_number_of(fileobj), None)
            if key is None:
                return super().unregister(fileobj)  # one that has been closed since, or never was
            try:
                self._selector.unregister(key.fd)
            except OSError:  # closed since; suppress() costs as much as all of this
                return key
            return key

        def key_of(self, fileobj: Any) -> selectors.SelectorKey | None:
            """Return the registration that a file's number has, or None."""
            return self._fd_to_key.get(_number_of(fileobj))

        def poll(self, timeout: float | None = None) -> Ready:
            """Return the data of at most `_MOST_EVENTS` registrations, and what each is ready for."""
            if timeout is None:
                timeout = -1  # PyPy's epoll refuses None
            elif timeout:
                timeout = math.ceil(timeout * 1e3) * 1e-3  # epoll knows milliseconds; less would be too early
            keys, ready = self._fd_to_key, []
            for fd, event in self._selector.poll(timeout, _MOST_EVENTS):
                try:
                    ready.append((keys[fd].data, _READ if event == EPOLLIN else _mask_of(event)))
                except KeyError:  # closed without being unregistered, and still open in another process
                    ready.append((Nobody, 0))
            return ready
