"""Every socket call, and what its errors mean. Law: nobody else in the library looks at an errno."""

from __future__ import annotations

import _socket
import contextlib
import errno
import functools
import os
import socket
import struct
import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ..loop import forks
from ..loop.machine import THIS, Machine
from .address import format_address
from .lent import lend

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = termios = None  # type: ignore[assignment]

_AF_UNSPEC = bytes(16)  # a sockaddr of no family
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close() sends RST

# The connection died in the queue, or the network below it is away: says nothing about the listener (accept(2)).
_ACCEPT_AGAIN = {
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENETDOWN,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EOPNOTSUPP,
    errno.ETIMEDOUT,
    getattr(errno, "ENONET", errno.ENETDOWN),  # Linux alone has it
}
_MOST_PASSED_OVER = 16  # of these in one accept(): an error that stays would never let it return
_NOT_THERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}  # no such address here, or no such family
_OUT_OF_FDS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_IN_PROGRESS = {  # not EAGAIN: from a Unix socket it is a refusal (connect(2))
    0,
    errno.EINPROGRESS,
    errno.EINTR,
    getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS),  # what Windows says
}

_INHERITS = sys.platform == "linux"  # what prepare() has set on a listener its connections have
# Behind gevent and eventlet a socket isn't the system's, but has that inside; and it waits, unless it is told not to.
_WRAPPED = not issubclass(socket.socket, _socket.socket)
_family_of = attrgetter("family") if _WRAPPED else _socket.socket.family.__get__  # the int, without the enum
AF_UNIX = getattr(socket, "AF_UNIX", None)
_UNREAD, _UNACKNOWLEDGED = getattr(termios, "FIONREAD", 0), getattr(termios, "TIOCOUTQ", 1)
# A port that has just been left can be listened at. On Windows it can anyway, and SO_REUSEADDR would let two do so.
_OURS_ALONE = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
_NEVER_BLOCKS = getattr(socket, "SOCK_NONBLOCK", 0)  # what Python is told of a descriptor, and takes for granted

Take = Callable[[socket.socket], "tuple[socket.socket, Any] | None"]


class OutOfDescriptors(OSError):
    """accept() failed for want of descriptors or memory: trying again at once can't help."""


class SocketOf(socket.socket):
    """The socket of a descriptor that never blocks. The standard library's own way to it asks four enums: 1.7 us."""

    __slots__ = ()

    def __init__(self, family: int, type: int = socket.SOCK_STREAM, proto: int = 0, fileno: int = -1) -> None:
        if _WRAPPED:
            return self._wrap(family, type, proto, fileno)
        self._io_refs = 0
        self._closed = fileno < 0
        if fileno >= 0:
            return _socket.socket.__init__(self, family, type | _NEVER_BLOCKS, proto, fileno)
        with contextlib.suppress(OSError):  # it is closed, and says what one says that was ever open
            _socket.socket.__init__(self, family, type | _NEVER_BLOCKS, proto)
            _socket.socket.close(self)

    def _wrap(self, family: int, type: int, proto: int, fileno: int) -> None:
        super().__init__(family, type, proto, fileno if fileno >= 0 else None)
        self.setblocking(False)
        if fileno < 0:
            self.close()


def facts(sock: socket.socket) -> dict[str, Any]:
    """Return what a transport tells of its socket; its name only while it has one."""
    known = {"socket": lend(sock)}
    with contextlib.suppress(OSError):
        known["sockname"] = sock.getsockname()
    return known


def listen_on(family: int, sockaddr: Any, backlog: int, reuse_port: bool, machine: Machine = THIS) -> socket.socket:
    """Return a listening socket. Raises OSError naming the address."""
    try:
        sock: socket.socket = machine.socket(family, socket.SOCK_STREAM)
    except OSError as exc:  # a family that this machine doesn't have
        raise named(exc, f"can't listen on {format_address(sockaddr)}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, _OURS_ALONE, 1)
        if reuse_port:
            share_port(sock)
        if family == socket.AF_INET6:  # the IPv4 side has a socket of its own
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(sockaddr)
        sock.listen(backlog)
        prepare(sock)
    except OSError as exc:
        sock.close()
        raise named(exc, f"can't listen on {format_address(sockaddr)}") from None
    except BaseException:
        sock.close()
        raise
    return sock


def share_port(sock: socket.socket) -> None:
    option = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise OSError(errno.EOPNOTSUPP, "this system has no SO_REUSEPORT, which reuse_port asks for")
    sock.setsockopt(socket.SOL_SOCKET, option, 1)


def adopt_listening(sock: socket.socket, backlog: int) -> None:
    """Listen on a bound socket that somebody else made. Raises OSError saying so."""
    try:
        sock.listen(backlog)
        prepare(sock)
    except OSError as exc:
        raise named(exc, "can't listen on the socket that was given") from None


def accept(listener: socket.socket, take: Take) -> tuple[socket.socket, Any] | None:
    """Return a new connection, ready for use, and its peer; None when nobody waits.

    Raises OutOfDescriptors, and any other OSError for what is wrong with the listener, or doesn't stop being wrong.
    """
    passed_over = 0
    while True:
        try:
            return take(listener)
        except OSError as exc:
            if exc.errno in _OUT_OF_FDS:
                raise OutOfDescriptors(exc.errno, os.strerror(exc.errno or 0)) from None
            passed_over += 1
            if exc.errno not in _ACCEPT_AGAIN or passed_over > _MOST_PASSED_OVER:
                raise


def take_next(listener: socket.socket) -> tuple[socket.socket, Any] | None:
    """Accept once. The compiled twin of it is in _stream_c.pyx."""
    try:
        fd, peer = listener._accept()  # type: ignore[attr-defined]
    except BlockingIOError:
        return None
    sock = SocketOf(_family_of(listener), fileno=fd)
    if _INHERITS:
        os.set_blocking(fd, False)
    else:
        prepare(sock)
    return sock, peer


def take_unnumbered(listener: socket.socket) -> tuple[socket.socket, Any] | None:
    """Accept once from a listening socket that no kernel has: of a simulated machine."""
    try:
        sock, peer = listener.accept()
    except BlockingIOError:
        return None
    prepare(sock)
    return sock, peer


def refuse(listener: socket.socket, take: Take) -> bool:
    """Reset one who waits; False if nobody does, or it can't be done."""
    try:
        accepted = accept(listener, take)
    except OSError:
        return False
    if accepted is not None:
        close(accepted[0], reset=True)
    return accepted is not None


def prepare(sock: socket.socket) -> None:
    """Make a stream socket ready for a connection: never blocks, sends small messages at once, notices a dead peer."""
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):  # the peer may be gone already: the first read will tell
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def start_connect(family: int, sockaddr: Any, local: Any = None, machine: Machine = THIS) -> socket.socket:
    """Return a socket that is connecting; it is writable when it knows. Raises OSError naming the address.

    `local`: where it is bound first.
    """
    try:
        sock: socket.socket = machine.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        raise named(exc, f"can't connect to {format_address(sockaddr)}") from None
    prepare(sock)
    if local is not None:
        _bind(sock, local)
    try:
        code = sock.connect_ex(sockaddr)
    except OSError as exc:  # an address that no kernel was asked about: a path that is too long
        sock.close()
        raise named(exc, f"can't connect to {format_address(sockaddr)}") from None
    except BaseException:  # a path that can't be encoded
        sock.close()
        raise
    if code not in _IN_PROGRESS:
        sock.close()
        raise named(OSError(code, os.strerror(code)), f"can't connect to {format_address(sockaddr)}")
    return sock


def _bind(sock: socket.socket, local: Any) -> None:
    """Say where a socket is to connect from; it is closed if that can't be."""
    try:
        if local[1]:  # or who comes back would wait until the kernel has forgotten the last connection of this port
            sock.setsockopt(socket.SOL_SOCKET, _OURS_ALONE, 1)
        sock.bind(local)
    except OSError as exc:
        sock.close()
        raise named(exc, f"can't connect from {format_address(local)}, which is local_addr") from None


def connect_result(sock: socket.socket, sockaddr: Any) -> OSError | None:
    """Return why a connecting socket that became writable failed, or None if it is connected."""
    error = error_of(sock)
    if error is not None:
        return named(error, f"can't connect to {format_address(sockaddr)}")
    if sock.getsockname() == sockaddr:  # an unused local port may connect to itself (tokio#3405)
        refused = OSError(errno.ECONNREFUSED, "Connection refused (it would have been to itself)")
        return named(refused, f"can't connect to {format_address(sockaddr)}")
    return None


def receive(sock: socket.socket, buffer: memoryview) -> int | None:
    """Read once into `buffer`; return how many bytes came, 0 at the end of the stream, None if nothing is there."""
    try:
        return sock.recv_into(buffer)
    except BlockingIOError:
        return None


def look_ahead(sock: socket.socket, most: int) -> bytes | None:
    """Return what lies there to be read, and leave it there: `most` bytes at most; b"" at the end, None for nothing."""
    try:
        return sock.recv(most, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return None


def error_of(sock: socket.socket) -> OSError | None:
    """Return how a socket has failed, once."""
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(code, os.strerror(code)) if code else None


def meaning(code: int) -> OSError | None:
    """Return the error that an errno of a read or a send stands for, None if the socket was just not ready."""
    error = OSError(code, os.strerror(code))
    return None if isinstance(error, (BlockingIOError, InterruptedError)) else error


def end_writing(sock: socket.socket) -> None:
    """Send FIN."""
    with contextlib.suppress(OSError):  # the peer may have reset the connection: the next read will tell
        sock.shutdown(socket.SHUT_WR)


def is_unsettled(sock: socket.socket) -> bool:
    """Tell whether closing now might cost the peer bytes: some are unread here, or not acknowledged there.

    True where nobody can tell.
    """
    try:
        return any(_queued(sock, queue) for queue in (_UNREAD, _UNACKNOWLEDGED))
    except (OSError, ValueError):  # a socket that is gone, or has no kernel below it
        return False


def has_unread(sock: socket.socket) -> bool:
    """Tell whether bytes lie there that nobody has read; True where nobody can tell."""
    try:
        return _queued(sock, _UNREAD) > 0
    except (OSError, ValueError):
        return True


def has_arrived(sock: socket.socket) -> bool:
    """Tell whether the peer's system has all that was sent, so that our end can't cost it a byte."""
    return sock.family == AF_UNIX or not is_unsettled(sock)  # a Unix socket's bytes are in the peer's at once


def tells_arrival() -> bool:
    """Whether the system says what has arrived; Windows doesn't."""
    return fcntl is not None


def queued(sock: socket.socket, unread: bool) -> int:
    """Return how many bytes are unread here, or not acknowledged there."""
    return _queued(sock, _UNREAD if unread else _UNACKNOWLEDGED)


def _queued(sock: socket.socket, queue: int) -> int:
    """Return how many bytes lie in a queue of the kernel's; where it isn't to be asked, whether there is one."""
    if sock.fileno() < 0:
        return _queued_of_unnumbered(sock, queue)
    if fcntl is not None:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), queue, bytes(4)), sys.byteorder)
    return queue == _UNACKNOWLEDGED or _peek(sock)  # of what the peer has, Windows tells nothing: there may be one


def _queued_of_unnumbered(sock: Any, queue: int) -> int:
    """Ask a socket that no kernel has; one of a simulated machine knows."""
    try:
        ask = sock.queued
    except AttributeError:
        raise ValueError("a socket without a number has no queues") from None
    return int(ask(queue == _UNREAD))


def _peek(sock: socket.socket) -> int:
    """Look at the next byte, and leave it there; return 1 if there is one."""
    with contextlib.suppress(BlockingIOError):
        return len(sock.recv(1, socket.MSG_PEEK))
    return 0


def close(sock: socket.socket, reset: bool, shared: bool = False) -> None:
    """Close; with `reset` the peer gets RST and what the kernel still held for it is dropped.

    Behind a fork the end is told first, unless a socket is `shared` with processes that go on with it.
    """
    if reset:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    if forks.happened and not shared:
        _tell_end(sock, reset)
    with contextlib.suppress(OSError):  # a close that fails has closed all the same (close(2))
        sock.close()


def _tell_end(sock: socket.socket, reset: bool) -> None:
    """Tell the peer, or who connects, that this is the end, whoever has a copy: close(2) waits for the last of them."""
    with contextlib.suppress(OSError):  # a socket that isn't connected any more, or not yet
        if not (reset and _disconnect(sock)):
            sock.shutdown(socket.SHUT_RDWR)


def _disconnect(sock: socket.socket) -> bool:
    """Reset a TCP connection now; tell whether that could be done.

    On Linux connect(2) to AF_UNSPEC does it, which Python's `connect()` has no address for. Behind a shutdown(2), which
    sends FIN, the peer would see an end in good order.
    """
    if sys.platform != "linux" or sock.family == AF_UNIX or sock.fileno() < 0:
        return False
    connect = _connect_of_libc()
    return connect is not None and connect(sock.fileno(), _AF_UNSPEC, len(_AF_UNSPEC)) == 0


@functools.cache
def _connect_of_libc() -> Any:
    """Return connect(2), None if Python was built without the means to call it."""
    try:
        import ctypes

        return ctypes.CDLL(None).connect
    except (ImportError, OSError, AttributeError):
        return None


def named(exc: OSError, what: str) -> OSError:
    """Return an error of the same class and errno whose text says what was being done."""
    text = exc.strerror or str(exc)
    if isinstance(exc, socket.gaierror):
        return socket.gaierror(exc.errno, f"{what}: {text}")
    return OSError(f"{what}: {text}") if exc.errno is None else OSError(exc.errno, f"{what}: {text}")


def is_not_there(exc: OSError) -> bool:
    """Tell whether an address couldn't be listened on because this machine doesn't have it."""
    return exc.errno in _NOT_THERE
