"""Datagram sockets in memory, as memory.py has streams. Law: no kernel, so a test decides what every call finds."""

from __future__ import annotations

import errno
import socket
from collections import deque
from functools import partial
from typing import Any

from ..loop import EventLoop
from ..transport import DatagramEndpoint, Limits, udp
from ..transport.buffers import read_memory
from .memory import MemorySocket, error, raise_once

LARGEST = 65_507  # what UDP over IPv4 carries


class MemoryDatagramSocket(MemorySocket):
    """One of two connected datagram sockets, with the methods that an endpoint calls.

    `capacity`: how many datagrams may lie unread at the other end; a send that finds no room is BlockingIOError.
    `fail_send`, `fail_read`: the OSError that the next call raises. Sending to one that has closed is refused.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.arrived: deque[bytes] = deque()

    def getpeername(self) -> str:
        self._check_open()
        return "memory"

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0) -> tuple[int, list[Any], int, Any]:
        self._check_open()
        raise_once(self, "fail_read")
        if not self.arrived:
            raise error(errno.EAGAIN)
        datagram, room = self.arrived.popleft(), len(buffers[0])
        size = min(room, len(datagram))
        buffers[0][:size] = datagram[:size]
        return size, [], socket.MSG_TRUNC if size < len(datagram) else 0, "memory"

    def send(self, data: Any, flags: int = 0) -> int:
        self._check_open()
        raise_once(self, "fail_send")
        if len(data) > LARGEST:
            raise error(errno.EMSGSIZE)
        peer: Any = self.peer
        if peer.closed:
            raise error(errno.ECONNREFUSED)
        if len(peer.arrived) >= self.capacity:
            raise error(errno.EAGAIN)
        peer.arrived.append(bytes(data))
        return len(data)

    def close(self) -> None:
        """Go without a word. Idempotent."""
        self.closed = True
        self.arrived.clear()

    def room(self) -> int:
        peer: Any = self.peer
        return peer.closed or max(0, self.capacity - len(peer.arrived))

    def readiness(self) -> int:
        """Return what it is ready for; of a peer that has gone it knows nothing."""
        readable, writable = self.arrived or self.fail_read, self.room() or self.fail_send
        return (1 if readable else 0) | (2 if writable else 0)


def memory_datagram_sockets(capacity: int = 256) -> tuple[MemoryDatagramSocket, MemoryDatagramSocket]:
    """Return two connected datagram sockets; `capacity` datagrams may lie unread in each direction."""
    one, other = MemoryDatagramSocket(capacity), MemoryDatagramSocket(capacity)
    one.peer, other.peer = other, one
    return one, other


def _close(_: DatagramEndpoint, cause: BaseException | None, sock: Any) -> None:
    udp.close(sock)


def memory_datagram_pair(
    loop: EventLoop, one: Any, other: Any, *, limits: Limits | None = None, capacity: int = 256
) -> tuple[DatagramEndpoint, DatagramEndpoint]:
    """Connect two datagram protocols in memory, on a loop with a `MemorySelector`; return their transports."""
    make = partial(DatagramEndpoint, loop, limits=limits or Limits(), memory=read_memory(), on_end=_close)
    left, right = make(one), make(other)
    for endpoint, sock in zip((left, right), memory_datagram_sockets(capacity), strict=True):
        endpoint.open(sock)
    return left, right
