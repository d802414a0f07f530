"""Sockets in memory, and the selector that knows them. Law: no kernel, so a test decides what every call finds.

A `Connection` can't tell a `MemorySocket` from a real one. Its hooks decide how much a send takes, how much a read
gives, and which error either meets.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ..handlers import check_protocol
from ..loop import EventLoop
from ..transport import Connection, Limits, sockets
from ..transport.buffers import read_memory
from ..transport.linger import Linger
from ..transport.tls import TLS

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_IOV_MAX = 1024  # chunks in one sendmsg; what Linux and the BSDs have
_ADDRESSES = ("127.0.0.1", 40001), ("127.0.0.1", 40002)  # what the ends of a pair are called: nobody listens there


class MemorySocket:
    """One end of a stream in memory, with the methods that a transport calls. Stricter than a kernel, never kinder.

    `send_sizes`: how many bytes the next sends take at most, 0 for BlockingIOError; then `capacity` alone rules, the
    bytes that may lie unread at the other end. `read_size`: at most so many bytes a read. `fail_send`, `fail_read`:
    the OSError that the next call raises.

    What is closed is closed: using it is EBADF. Closing with unread bytes resets the peer, and so does sending to one
    that has closed: that first send is taken. A reset is told once, by whatever meets it first; what lay unread is read
    before it, unless `SO_LINGER` made it a reset that loses what is in flight. Behind it sends are EPIPE and reads the
    end. An empty chunk, which a kernel takes, is refused: whoever sends it has miscounted.
    """

    family = 0

    def __init__(self, capacity: int, address: Any = "memory") -> None:
        self.capacity = capacity
        self.address = address
        self.peer: MemorySocket = self
        self.incoming = bytearray()
        self.send_sizes: list[int] = []
        self.read_size: int | None = None
        self.fail_send: OSError | None = None
        self.fail_read: OSError | None = None
        self.ended = self.closed = self.was_reset = False  # ended: it has sent FIN; was_reset: its close is a reset
        self._dead = self._untold = self._deaf = False  # the peer's reset came; nobody was told; it reads no more

    def setblocking(self, flag: bool) -> None:
        """Memory never blocks."""
        self._check_open()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Lingering for no time makes the close a reset; no other option means anything here."""
        self._check_open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.was_reset = struct.unpack("ii", value) == (1, 0)

    def getsockopt(self, level: int, option: int) -> int:
        """Tell of a reset, once, as SO_ERROR does; every other option is 0."""
        self._check_open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) and self._untold:
            self._untold = False
            return errno.ECONNRESET
        return 0

    def fileno(self) -> int:
        """There is no kernel below it."""
        return -1

    def getsockname(self) -> Any:
        self._check_open()
        return self.address

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self._check_open()
        raise_once(self, "fail_read")
        room = nbytes or len(buffer)
        if not room:
            raise ValueError("a read into no room can't be told from the end of the stream")
        if self.incoming:
            count = min(room, len(self.incoming), self.read_size or room)
            buffer[:count] = self.incoming[:count]
            del self.incoming[:count]
            return count
        self._tell_reset()
        if not (self._dead or self._deaf or self.peer.ended):
            raise error(errno.EAGAIN)
        return 0

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        return self.sendmsg((data,), (), flags)

    def sendmsg(self, buffers: Iterable[bytes | bytearray | memoryview], ancdata: Any = (), flags: int = 0) -> int:
        self._check_open()
        chunks = list(buffers)
        if len(chunks) > _IOV_MAX:
            raise error(errno.EMSGSIZE)
        if not all(map(len, chunks)) or not chunks:
            raise ValueError("an empty chunk was sent")
        raise_once(self, "fail_send")
        if not self.peer.ended:
            self._tell_reset()
        if self.ended or self._dead:
            raise error(errno.EPIPE)
        return self._put(chunks)

    def _put(self, chunks: list[bytes | bytearray | memoryview]) -> int:
        """Give the peer what it has room for; a peer that is closed takes it, and answers with a reset."""
        room = min(self.room(), self.send_sizes.pop(0)) if self.send_sizes else self.room()
        if room == 0:
            raise error(errno.EAGAIN)
        data = bytearray()
        for chunk in chunks:  # no more than there is room for: a sender may try the same megabytes a thousand times
            data += memoryview(chunk)[: room - len(data)]
        if self.peer.closed:
            self._take_reset()
        else:
            self.peer.incoming += data
        return len(data)

    def shutdown(self, how: int) -> None:
        self._check_open()
        if self._dead:
            raise error(errno.ENOTCONN)
        self.ended = self.ended or how != socket.SHUT_RD
        self._deaf = self._deaf or how != socket.SHUT_WR

    def close(self) -> None:
        """Send FIN; RST if there are unread bytes, or SO_LINGER says so. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self.was_reset or self.incoming:
            self.peer._take_reset()
        else:
            self.ended = True
        if self.was_reset:
            self.peer.incoming.clear()
        self.incoming.clear()

    def room(self) -> int:
        return max(0, self.capacity - len(self.peer.incoming))

    def readiness(self) -> int:
        readable = self.incoming or self.peer.ended or self._dead or self._deaf or self.fail_read
        writable = self.room() or self.ended or self._dead or self.fail_send
        return (_READ if readable else 0) | (_WRITE if writable else 0)

    def _check_open(self) -> None:
        if self.closed:
            raise error(errno.EBADF)

    def _take_reset(self) -> None:
        if not self._dead:
            self._dead = self._untold = True

    def _tell_reset(self) -> None:
        if self._untold:
            self._untold = False
            raise error(errno.ECONNRESET)


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def raise_once(sock: MemorySocket, hook: str) -> None:
    """Raise the error that a test has scripted, if it has."""
    scripted = getattr(sock, hook)
    if scripted is not None:
        setattr(sock, hook, None)
        try:
            raise scripted
        finally:
            del scripted  # or its frame would know it, as it knows its frame


class MemorySelector(selectors.BaseSelector):
    """Knows when memory sockets are ready; real file objects, the loop's doorbell for one, it leaves to the system."""

    def __init__(self) -> None:
        self._system = selectors.DefaultSelector()
        self._memory: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if not isinstance(fileobj, MemorySocket):
            return self._system.register(fileobj, events, data)
        if fileobj.closed:
            raise ValueError(f"{fileobj!r} is closed")
        if id(fileobj) in self._memory:
            raise KeyError(f"{fileobj!r} is already registered")
        key = self._memory[id(fileobj)] = selectors.SelectorKey(fileobj, id(fileobj), events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        if not isinstance(fileobj, MemorySocket):
            return self._system.unregister(fileobj)
        return self._memory.pop(id(fileobj))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = []
        for key in self._memory.values():
            sock: Any = key.fileobj
            if sock.closed:
                raise error(errno.EBADF)  # closed while it was registered: some kernels would never tell
            if mask := sock.readiness() & key.events:
                ready.append((key, mask))
        return ready + self._system.select(0 if ready else timeout)

    def close(self) -> None:
        self._memory.clear()
        self._system.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return _Map(self._system.get_map(), self._memory)


class _Map(Mapping[Any, selectors.SelectorKey]):
    """What is registered, by file object or number, as the system's selectors have it."""

    def __init__(self, system: Mapping[Any, selectors.SelectorKey], memory: dict[int, selectors.SelectorKey]) -> None:
        self._system = system
        self._memory = memory

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self._memory[id(fileobj)] if isinstance(fileobj, MemorySocket) else self._system[fileobj]

    def __len__(self) -> int:
        return len(self._system) + len(self._memory)

    def __iter__(self) -> Iterator[Any]:
        yield from self._system
        yield from (key.fileobj for key in self._memory.values())


def memory_sockets(
    capacity: int = 256 * 1024, addresses: tuple[Any, Any] = ("memory", "memory")
) -> tuple[MemorySocket, MemorySocket]:
    """Return two connected sockets; `capacity` bytes may lie unread in each direction. `addresses`: of each its own."""
    one, other = (MemorySocket(capacity, address) for address in addresses)
    one.peer, other.peer = other, one
    return one, other


def _forget(_: Linger) -> None:
    """Nobody counts the sockets that linger in memory."""


def _close(loop: EventLoop, memory: memoryview, connection: Connection, _: BaseException | None, sock: Any) -> None:
    """Let go of a socket as a Reactor does: it lingers if a reset could cost the peer its last bytes."""
    if connection.may_lose_bytes() or (sock.incoming and not connection.reset):
        Linger(loop, sock, memory, _forget).start()
    else:
        sockets.close(sock, connection.reset)


def memory_pair(
    loop: EventLoop,
    one: Any,
    other: Any,
    *,
    limits: Limits | None = None,
    capacity: int = 256 * 1024,
    tls: tuple[TLS | None, TLS | None] = (None, None),
    addresses: tuple[Any, Any] = _ADDRESSES,
) -> tuple[Connection, Connection]:
    """Connect two protocols in memory, on a loop with a `MemorySelector`; return their transports.

    `tls`: the filter of each, one as client and one as server. `addresses`: what each is called, as `sockname` and at
    the other end as `peername`. Both are started by the loop's next turn. Raises
    TypeError for what is no protocol, as every door does.
    """
    for protocol in (one, other):
        check_protocol(protocol, "memory_pair() was given")
    memory, bounds = read_memory(), limits or Limits()
    ends: Any = zip((one, other), memory_sockets(capacity, addresses), reversed(addresses), tls, strict=True)
    close = partial(_close, loop, memory)
    left, right = (Connection(loop, sock, each, bounds, memory, peer, close, tls_) for each, sock, peer, tls_ in ends)
    loop.call_soon(left.start)
    loop.call_soon(right.start)
    return left, right
