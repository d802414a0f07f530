"""What other systems lack, hidden from a process before it imports anything of ours: by its `sitecustomize`.

Hidden from the standard library as well, as far as it looks late.
"""

from __future__ import annotations

import errno
import os
import select
import selectors
import signal
import socket
import stat
import sys
import warnings
from typing import Any

_SELECTORS = {
    "epoll": "EpollSelector",
    "poll": "PollSelector",
    "kqueue": "KqueueSelector",
    "devpoll": "DevpollSelector",
}


def without_epoll() -> None:
    """Be what gevent's and eventlet's patching leaves: select() alone."""
    for call, selector in _SELECTORS.items():
        _hide(select, call)
        _hide(selectors, selector)
    selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc]


def gevent() -> None:
    """Be patched by gevent."""
    from gevent import monkey

    monkey.patch_all()


def eventlet() -> None:
    """Be patched by eventlet."""
    with warnings.catch_warnings():  # it says that it has no future
        warnings.simplefilter("ignore")
        import eventlet

        eventlet.monkey_patch()


def windows() -> None:
    """Be Windows, as far as the pure twin can see it."""
    without_epoll()
    import asyncio  # noqa: F401  # they ask for sys.platform, and would miss what isn't here
    import importlib.metadata  # noqa: F401
    import multiprocessing.util  # noqa: F401
    import platform
    import ssl  # noqa: F401
    import subprocess  # noqa: F401
    import tempfile  # noqa: F401

    platform.python_version()
    for module in ("fcntl", "termios", "resource", "pwd", "grp"):
        sys.modules[module] = None  # type: ignore[assignment]
    _hide(os, "fork", "register_at_fork", "set_blocking", "O_CLOEXEC", "sched_setaffinity", "sched_getaffinity")
    _hide(socket, "AF_UNIX", "SO_REUSEPORT", "MSG_NOSIGNAL", "MSG_DONTWAIT", "SOCK_NONBLOCK", "SOCK_CLOEXEC")
    _hide(signal, "pthread_sigmask", "pthread_kill", "sigpending", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "alarm")
    errno.WSAEWOULDBLOCK = _WOULD_BLOCK  # type: ignore[attr-defined]
    socket.SO_EXCLUSIVEADDRUSE = _EXCLUSIVE  # type: ignore[attr-defined]
    socket.socket = _Socket  # type: ignore[misc]
    socket.socketpair = _socketpair
    select.select = _select_sockets
    selectors.SelectSelector._select = _select_with_failing  # type: ignore[attr-defined]
    sys.platform = "win32"


_WOULD_BLOCK = 10035  # what connect() says there that goes on
_EXCLUSIVE = ~socket.SO_REUSEADDR
_MOST_SOCKETS = 512
_LACKING = {"sendmsg", "recvmsg", "recvmsg_into", "sendmsg_afalg"}
_select = select.select


class _Lacking(type):
    """The type of a class without these methods, though its base has them."""

    def __getattribute__(cls, name: str) -> Any:
        if name in _LACKING:
            raise AttributeError(name)
        return super().__getattribute__(name)


class _Socket(socket.socket, metaclass=_Lacking):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name in _LACKING:
            raise AttributeError(name)
        return super().__getattribute__(name)

    def connect_ex(self, address: Any, /) -> int:
        code = super().connect_ex(address)
        return _WOULD_BLOCK if code == errno.EINPROGRESS else code

    def setsockopt(self, level: int, option: int, *value: Any) -> None:  # type: ignore[override]
        if option == socket.SO_REUSEADDR and level == socket.SOL_SOCKET:
            raise AssertionError("on Windows it lets anybody take the port")
        if option != _EXCLUSIVE:
            super().setsockopt(level, option, *value)


def _socketpair(*_: Any) -> tuple[socket.socket, socket.socket]:
    """A pair of TCP, as the standard library makes it there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one = socket.create_connection(listener.getsockname())
        return one, listener.accept()[0]


def _select_sockets(reading: Any, writing: Any, failing: Any, timeout: float | None = None) -> Any:
    """Look at sockets alone, not at none of them, and at 512 at most."""
    if max(map(len, (reading, writing, failing))) > _MOST_SOCKETS:
        raise ValueError("too many file descriptors in select()")
    if not (reading or writing or failing):
        raise OSError(10022, "An invalid argument was supplied")
    for each in (*reading, *writing):
        if not stat.S_ISSOCK(os.fstat(each if isinstance(each, int) else each.fileno()).st_mode):
            raise OSError(10038, "An operation was attempted on something that is not a socket")
    return _select(reading, writing, failing, timeout)


def _select_with_failing(self: Any, reading: Any, writing: Any, _: Any, timeout: float | None = None) -> Any:
    """What the selector does there: a connect that fails is told as an exception alone."""
    ready, room, failed = _select_sockets(reading, writing, writing, timeout)
    return ready, room + failed, []


def _hide(owner: Any, *names: str) -> None:
    for name in names:
        if hasattr(owner, name):
            delattr(owner, name)
