"""SimDatagramSocket: a datagram socket of a simulated host. Law: a datagram comes whole, twice, late or never."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import Any

from .base import SimFile, error

_LARGEST = 65_507  # what UDP over IPv4 carries
_READ, _WRITE = 1, 2


class SimDatagramSocket(SimFile):
    """Sends to whoever is named; where nobody listens, a connected one is told."""

    def __init__(self, host: Any, family: int) -> None:
        super().__init__(host, family, socket.SOCK_DGRAM)
        self.arrived: deque[tuple[bytes, Any]] = deque()

    def bind(self, address: Any) -> None:
        self._check_open()
        self.host.machine.bind(self, address)

    def connect(self, address: Any) -> None:
        self._check_open()
        self.host.machine.bind_for(self, address)
        self.peer_name = address

    def getsockopt(self, level: int, option: int) -> int:
        self._check_open()
        return 0

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0) -> tuple[int, list[Any], int, Any]:
        self._check_open()
        self._tell_failure()
        if not self.arrived:
            raise error(errno.EAGAIN)
        data, sender = self.arrived.popleft()
        room = len(buffers[0])
        size = min(room, len(data))
        buffers[0][:size] = data[:size]
        return size, [], getattr(socket, "MSG_TRUNC", 0) if size < len(data) else 0, sender

    def send(self, data: Any, flags: int = 0) -> int:
        if self.peer_name is None:
            raise error(errno.EDESTADDRREQ)
        return self.sendto(data, self.peer_name)

    def sendto(self, data: Any, address: Any) -> int:
        self._check_open()
        self._tell_failure()
        if len(data) > _LARGEST:
            raise error(errno.EMSGSIZE)
        self.host.machine.send_datagram(self, bytes(data), address)
        return len(data)

    def close(self) -> None:
        """Go without a word. Idempotent."""
        if not self.closed:
            self.closed = True
            self.host.machine.close(self)
            self.arrived.clear()
            self.selector = None

    def readiness(self, events: int = _READ | _WRITE) -> int:
        return events & ((_READ if self.arrived or self.failed else 0) | _WRITE)

    def datagram_came(self, data: bytes, sender: Any, most: int) -> bool:
        """Keep it, from whom we want any; tell whether there was room."""
        if self.peer_name is not None and self.peer_name[:2] != sender[:2]:
            return True
        if len(self.arrived) >= most:
            return False
        self.arrived.append((data, sender))
        self.changed()
        return True

    def fail(self, code: int) -> None:
        """Be told of a refusal, if there is one peer."""
        if self.peer_name is not None and not self.closed:
            self.failed = code
            self.changed()

    def _tell_failure(self) -> None:
        if self.failed:
            code, self.failed = self.failed, 0
            raise error(code)
