"""Pipe: files in place of a socket: pipes, fifos, ttys, stdio, regular files. Law: how they blocked is given back."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from ..loop import EventLoop
from ..loop.watch import nothing_to_do
from .connection import Connection
from .core import OnEnd, State
from .limits import Limits

if sys.platform != "win32":
    import fcntl

_STDIO = 2  # up to here a number is everybody's: closed, it would be the next file's that is opened
_MOST_CHUNKS = 1024  # of one writev()


class End:
    """One file: a descriptor, or what has a `fileno()`. It is owned: closed with the connection, unless it is stdio."""

    def __init__(self, file: Any) -> None:
        self.file = file
        number = _number_of(file)
        self._is_file = number is not None
        self.fd = -1 if number is None else number
        self._blocked = self.is_regular = self.closed = False

    def judge(self, name: str) -> None:
        """Look at the file, and refuse what can't be used as `name` says."""
        what = f"{name} is {self.file!r}"
        if not self._is_file:
            raise TypeError(f"{what}, it must be a file object that is open, or a descriptor")
        try:
            mode = os.fstat(self.fd).st_mode
            self._blocked = os.get_blocking(self.fd)
        except (OSError, OverflowError) as exc:
            raise OSError(getattr(exc, "errno", errno.EBADF), f"{what}: {getattr(exc, 'strerror', exc)}") from None
        if stat.S_ISDIR(mode):
            raise ValueError(f"{what}, which is a directory")
        _check_direction(name, what, self.fd)
        self.is_regular = stat.S_ISREG(mode)

    def fileno(self) -> int:
        return self.fd

    @property
    def is_stdio(self) -> bool:
        return self.fd <= _STDIO

    def unblock(self) -> None:
        os.set_blocking(self.fd, False)

    def close(self, gives_back: bool) -> None:
        """Close, and let who has the same file open wait for it again, if that was so before."""
        if self.closed:
            return
        self.closed = True
        with suppress(OSError):
            if gives_back and self._blocked:
                os.set_blocking(self.fd, True)
        with suppress(OSError):
            if self.is_stdio:
                return
            if isinstance(self.file, int):
                os.close(self.fd)
            else:
                self.file.close()


class Pipe:
    """Two ends, or one, with the methods of a socket that a `Connection` calls. What is given is owned at once."""

    family = 0

    def __init__(self, read: Any, write: Any) -> None:
        self.read = None if read is None else End(read)
        self.write = self.read if _are_same(read, write) else (None if write is None else End(write))
        self.files = (read, write)
        self._gives_back = True

    def open(self) -> None:
        """Refuse what is no use. `close()` is right behind that, too."""
        if not hasattr(os, "readv"):
            raise OSError(
                errno.EOPNOTSUPP, "connect_pipe() is for systems whose pipes a selector takes: not for Windows"
            )
        if self.read is None and self.write is None:
            raise ValueError("read is None and write is None: connect_pipe() needs one of them, or both")
        if self.read is not None:
            self.read.judge("read")
        if self.write is not None:
            self.write.judge("write")

    @property
    def is_one_file(self) -> bool:
        """Whether both ends are one descriptor."""
        return self.read is not None and self.write is not None and self.read.fd == self.write.fd

    def _ends(self) -> Iterable[End]:
        return [end for end in (self.read, self.write) if end is not None]

    def setblocking(self, flag: bool) -> None:
        """Block never, from now on: when both ends have been looked at, which may be one file."""
        for end in self._ends():
            end.unblock()

    def fileno(self) -> int:
        """No number: there may be two, and no call for sockets is for them."""
        return -1

    def getsockname(self) -> Any:
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))

    def getsockopt(self, level: int, option: int) -> int:
        return 0

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """A pipe has no options."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        if self.read is None:
            return 0
        try:
            return os.readv(self.read.fd, [buffer])
        except OSError as exc:
            if exc.errno == errno.EIO and os.isatty(self.read.fd):  # so a tty says that its other side is gone
                return 0
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        return self.sendmsg((data,))

    def sendmsg(self, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0) -> int:
        if self.write is None or self.write.closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return os.writev(self.write.fd, list(islice(buffers, _MOST_CHUNKS)))

    def can_end_alone(self) -> bool:
        return self.write is not None and not (self.is_one_file or self.write.is_stdio)

    def shutdown(self, how: int) -> None:
        if how == socket.SHUT_WR and self.write is not None and self.can_end_alone():
            self.write.close(self._gives_back)
            if self.read is not None:  # it may be the same file, opened once
                self.read.unblock()

    def forsake(self) -> None:
        """Give nothing back any more: behind a fork that would be done to the parent's files, too."""
        self._gives_back = False

    def close(self) -> None:
        for end in self._ends():
            end.close(self._gives_back)


class _Always:
    """Watches a regular file, which is always ready: selectors don't take it."""

    def __init__(self, loop: EventLoop, call: Callable[[], object]) -> None:
        self._loop = loop
        self._call = call
        self._mask = 0
        self._due = False

    def want(self, mask: int) -> None:
        self._mask = mask
        if mask and not self._due:
            self._due = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._due = False
        if self._mask:
            try:
                self._call()
            finally:
                self.want(self._mask)

    def close(self) -> None:
        self._mask = 0
        self._call = nothing_to_do


class PipeWatch:
    """What a pipe waits for, as a `Watch` for the connection; each end has one of its own."""

    def __init__(self, loop: EventLoop, pipe: Pipe) -> None:
        self.on_read: Callable[[], object] = nothing_to_do
        self.on_write: Callable[[], object] = nothing_to_do
        self.mask = 0
        self._watches: list[tuple[int, Any]] = []
        if pipe.is_one_file:
            self._watch(loop, pipe.read, EVENT_READ | EVENT_WRITE)
        else:
            self._watch(loop, pipe.read, EVENT_READ)
            self._watch(loop, pipe.write, EVENT_WRITE)

    def _watch(self, loop: EventLoop, end: End | None, events: int) -> None:
        if end is None:
            return
        if end.is_regular:
            watch: Any = _Always(loop, self._write if events == EVENT_WRITE else self._read)
        else:
            watch = loop.watch(end.fd, self._read, self._write)
        self._watches.append((events, watch))

    def _read(self) -> None:
        self.on_read()

    def _write(self) -> None:
        self.on_write()

    def want(self, mask: int) -> None:
        for events, watch in self._watches:
            watch.want(mask & events)
        self.mask = mask

    def close(self) -> None:
        for _, watch in self._watches:
            watch.close()
        self.mask = 0
        self.on_read = self.on_write = nothing_to_do


class PipeConnection(Connection):
    """A connection over files. Who only reads can't write; who only writes has no peer that could end its side."""

    __slots__ = ()

    def __init__(
        self, loop: EventLoop, pipe: Any, protocol: Any, limits: Limits, memory: memoryview, on_end: OnEnd
    ) -> None:
        super().__init__(loop, pipe, protocol, limits, memory, None, on_end)
        watch: Any = PipeWatch(loop, pipe)
        watch.on_read = self._stream.receive
        self._watch = watch
        self._ending = self._ended = pipe.write is None
        self._peer_ended = self._told = self._half_open = pipe.read is None

    def _open(self) -> None:
        super()._open()
        if self._half_open and self._state is State.OPEN:
            self._loop.watch_end(self._pipe.write, self._peer_gone)

    @property
    def _pipe(self) -> Any:
        return self._sock

    def _peer_gone(self) -> None:
        self._lose(BrokenPipeError(errno.EPIPE, "nobody reads the pipe any more"))

    def _stop(self) -> None:
        self._forget_end()
        super()._stop()

    def _forget_end(self) -> None:
        if self._pipe.read is None and not self._pipe.write.closed:
            self._loop.forget_end(self._pipe.write)

    def admit(self, size: int) -> bool:
        if self._pipe.write is None and self._state is State.OPEN:
            raise RuntimeError("write() to what connect_pipe() was given no write for")
        return super().admit(size)

    def can_write_eof(self) -> bool:
        return super().can_write_eof() and self._pipe.can_end_alone()

    def write_eof(self) -> None:
        if not self.can_write_eof():
            raise RuntimeError("write_eof() on stdio, or on a file that is read, too: it can't end one side alone")
        self._forget_end()
        super().write_eof()

    def may_lose_bytes(self) -> bool:
        return False  # what a pipe has taken is there until it is read

    def may_cross(self) -> bool:
        return False

    def _facts(self) -> dict[str, Any]:
        return {"pipe": self._pipe.files, **(self._extra or {})}

    def __repr__(self) -> str:
        return f"<Connection {self._state.value} pipe={self._pipe.files!r}>"

    def abandon(self) -> None:
        self._pipe.forsake()
        super().abandon()


def _are_same(read: Any, write: Any) -> bool:
    """Whether two arguments are one file, to be closed once: by then the number may be another one's."""
    return read is not None and (read is write or (isinstance(read, int) and read == write))


def _number_of(file: Any) -> int | None:
    """Return the descriptor of what was given, None if that is no file, or one that is closed."""
    fileno = getattr(file, "fileno", None)
    number = file
    if callable(fileno) and not isinstance(file, type):
        try:
            number = fileno()
        except (OSError, ValueError):
            return None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _check_direction(name: str, what: str, fd: int) -> None:
    wrong = os.O_WRONLY if name == "read" else os.O_RDONLY
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == wrong:
        raise ValueError(f"{what}, which is open for {'writing' if name == 'read' else 'reading'} only")
