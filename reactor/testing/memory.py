"""Sockets in memory, and the selector that knows them. Law: no kernel, so a test decides what every call finds.

A `Connection` can't tell a `MemorySocket` from a real one. Its hooks decide how much a send takes, how much a read
gives, and which error either meets.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..loop import EventLoop
from ..transport import Connection, Limits, sockets
from ..transport.buffers import read_memory
from ..transport.tls import TLS

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class MemorySocket:
    """One end of a stream in memory, with the methods that a transport calls.

    `send_sizes`: how many bytes the next sends take at most, 0 for BlockingIOError; then `capacity` alone rules, the
    bytes that may lie unread at the other end. `read_size`: at most so many bytes a read. `fail_send`, `fail_read`:
    the OSError that the next call raises.
    """

    family = 0

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.peer: MemorySocket = self
        self.incoming = bytearray()
        self.send_sizes: list[int] = []
        self.read_size: int | None = None
        self.fail_send: OSError | None = None
        self.fail_read: OSError | None = None
        self.ended = self.closed = self.was_reset = False  # ended: it has sent FIN

    def setblocking(self, flag: bool) -> None:
        """Memory never blocks."""

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Lingering on closing makes the close a reset; no other option means anything here."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.was_reset = True

    def fileno(self) -> int:
        """There is no kernel below it."""
        return -1

    def getsockname(self) -> str:
        return "memory"

    def recv_into(self, buffer: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        if self.fail_read is not None:
            error, self.fail_read = self.fail_read, None
            raise error
        if self.peer.was_reset and self.peer.closed:
            raise ConnectionResetError(104, "Connection reset by peer")
        if not self.incoming and not self.peer.ended:
            raise BlockingIOError(11, "nothing to read")
        count = min(len(buffer), len(self.incoming), self.read_size or len(buffer))
        buffer[:count] = self.incoming[:count]
        del self.incoming[:count]
        return count

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        if self.fail_send is not None:
            error, self.fail_send = self.fail_send, None
            raise error
        if self.peer.closed:
            raise BrokenPipeError(32, "Broken pipe")
        room = min(self.room(), self.send_sizes.pop(0)) if self.send_sizes else self.room()
        if room == 0:
            raise BlockingIOError(11, "no room")
        self.peer.incoming += data[:room]
        return min(room, len(data))

    def sendmsg(self, chunks: Iterable[bytes | memoryview], ancdata: Any = (), flags: int = 0) -> int:
        return self.send(b"".join(chunks))

    def shutdown(self, how: int) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = self.ended = True

    def room(self) -> int:
        return max(0, self.capacity - len(self.peer.incoming))

    def readiness(self) -> int:
        readable = self.incoming or self.peer.ended or self.fail_read
        writable = self.room() or self.peer.closed or self.fail_send
        return (_READ if readable else 0) | (_WRITE if writable else 0)


class MemorySelector(selectors.BaseSelector):
    """Knows when memory sockets are ready; real file objects, the loop's doorbell for one, it leaves to the system."""

    def __init__(self) -> None:
        self._system = selectors.DefaultSelector()
        self._memory: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if not isinstance(fileobj, MemorySocket):
            return self._system.register(fileobj, events, data)
        if id(fileobj) in self._memory:
            raise KeyError(f"{fileobj!r} is already registered")
        key = self._memory[id(fileobj)] = selectors.SelectorKey(fileobj, id(fileobj), events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        if not isinstance(fileobj, MemorySocket):
            return self._system.unregister(fileobj)
        return self._memory.pop(id(fileobj))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = [(key, mask) for key in self._memory.values() if (mask := key.fileobj.readiness() & key.events)]  # type: ignore[union-attr]
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


def memory_sockets(capacity: int = 256 * 1024) -> tuple[MemorySocket, MemorySocket]:
    """Return two connected sockets; `capacity` bytes may lie unread in each direction."""
    one, other = MemorySocket(capacity), MemorySocket(capacity)
    one.peer, other.peer = other, one
    return one, other


def _close(connection: Connection, cause: BaseException | None, sock: Any) -> None:
    """Nobody lingers in memory: what was sent has arrived."""
    sockets.close(sock, connection.reset)


def memory_pair(
    loop: EventLoop,
    one: Any,
    other: Any,
    *,
    limits: Limits | None = None,
    capacity: int = 256 * 1024,
    tls: tuple[TLS | None, TLS | None] = (None, None),
) -> tuple[Connection, Connection]:
    """Connect two protocols in memory, on a loop with a `MemorySelector`; return their transports.

    `tls`: the filter of each, one as client and one as server. Both are started by the loop's next turn.
    """
    memory, bounds = read_memory(), limits or Limits()
    ends: Any = zip((one, other), memory_sockets(capacity), tls, strict=True)
    left, right = (
        Connection(loop, sock, each, bounds, memory, "memory", _close, filter_) for each, sock, filter_ in ends
    )
    loop.call_soon(left.start)
    loop.call_soon(right.start)
    return left, right
