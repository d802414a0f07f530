"""Unix socket paths: whose they are. Law: nothing is unlinked but a socket that nobody listens on, or our own."""

from __future__ import annotations

import errno
import os
import socket
import stat

from .sockets import named


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
            file = None
        else:
            _clear_stale(path)
            sock.bind(path)
            file = UnixPath(path)
            os.chmod(path, mode)  # before listen(): until then nobody can connect
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError as exc:
        sock.close()
        raise named(exc, f"can't listen on unix:{path}") from None
    except BaseException:
        sock.close()
        raise
    return sock, file


def _clear_stale(path: str) -> None:
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
    os.unlink(path)
