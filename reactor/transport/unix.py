"""Unix socket paths: whose they are. Law: nothing is unlinked but a socket that nobody listens on, or our own."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Iterator

from .sockets import named

try:
    import fcntl
except ImportError:  # Windows
    _lock_of = None
else:
    _lock_of = fcntl.flock

_LOCK_TRIES = 100
_LOCK_PAUSE = 0.01  # seconds: we hold it for microseconds, but whoever may read a directory may lock it for ever


class UnixPath:
    """The file of a listening Unix socket, as this process made it."""

    def __init__(self, path: str) -> None:
        status = os.lstat(path)
        self._path = os.path.abspath(path)  # the process may go to another directory
        self._identity = status.st_dev, status.st_ino
        self._pid = os.getpid()

    def remove(self) -> None:
        """Unlink it, if it is still the one that was made, and by this very process: a fork keeps its hands off."""
        try:
            status = os.lstat(self._path)
            if (status.st_dev, status.st_ino) == self._identity and os.getpid() == self._pid:
                os.unlink(self._path)
        except OSError:
            pass  # somebody else has removed it


def listen_on_path(path: str, backlog: int, mode: int) -> tuple[socket.socket, UnixPath | None]:
    """Return a listening socket at a path, or at an abstract name ("@name" or "\\0name"), which has no file.

    A socket file that nobody listens on is replaced. Raises OSError naming the path.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.startswith(("@", "\0")):
            sock.bind("\0" + path[1:])
            sock.listen(backlog)
            file = None
        else:
            file = _listen_on_file(sock, path, backlog, mode)
        sock.setblocking(False)
    except OSError as exc:
        sock.close()
        raise named(exc, f"can't listen on unix:{path}") from None
    except BaseException:
        sock.close()
        raise
    return sock, file


def _listen_on_file(sock: socket.socket, path: str, backlog: int, mode: int) -> UnixPath:
    """Bind and listen in one step: a socket that is bound and doesn't listen yet looks as stale as a dead one."""
    with _directory_locked(path) as ours:
        _clear_stale(path, ours)
        sock.bind(path)
        file = UnixPath(path)
        try:
            os.chmod(path, mode)  # before listen(): until then nobody can connect
            sock.listen(backlog)
        except BaseException:
            file.remove()
            raise
    return file


@contextlib.contextmanager
def _directory_locked(path: str) -> Iterator[bool]:
    """Hold the lock on a path's directory, which leaves no file behind. False: somebody else doesn't let go of it.

    Where a directory can't be opened or locked, True all the same: there is no lock to be had by anybody.
    """
    try:
        fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        ours = _lock(fd)
        yield ours
    finally:
        if _lock_of is not None:
            with contextlib.suppress(OSError):
                _lock_of(fd, fcntl.LOCK_UN)  # a child of fork() may have a copy, which close() would wait for
        os.close(fd)


def _lock(fd: int) -> bool:
    if _lock_of is None:
        return True
    for _ in range(_LOCK_TRIES):
        try:
            _lock_of(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        except OSError:  # a file system without locks
            return True
        else:
            return True
    return False


def _clear_stale(path: str, ours: bool) -> None:
    """Unlink a socket that nobody listens on; refuse anything else that is there."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EADDRINUSE, "there is a file that isn't a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(path)
    if code != errno.ECONNREFUSED:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if not ours:
        text = "there is a stale socket, and another process holds a lock on its directory, so it can't be replaced"
        raise OSError(errno.EADDRINUSE, text)
    os.unlink(path)
