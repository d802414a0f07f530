"""SimSocket: a stream socket of a simulated host. Law: it says what a kernel's would, errno by errno."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Any

from .base import SimFile, error
from .flow import Flow

_RESET = struct.pack("ii", 1, 0)
_READ, _WRITE = 1, 2  # as selectors has them


class SimSocket(SimFile):
    """Listens, or is one end of a connection."""

    def __init__(self, host: Any, family: int) -> None:
        super().__init__(host, family, socket.SOCK_STREAM)
        self.incoming = bytearray()
        self.ended = False  # we have sent FIN
        self.out: Flow | None = None  # what we send
        self.inn: Flow | None = None  # what comes
        self.waiting: deque[SimSocket] | None = None  # who is to be accepted, if it listens
        self.coming = self._most = 0  # who shakes hands; of both at most
        self._eof = self._deaf = self._dead = self._resets = self._connecting = False

    # --- a listener

    def bind(self, address: Any) -> None:
        self._check_open()
        self.host.machine.bind(self, address)

    def listen(self, backlog: int) -> None:
        self._check_open()
        self.host.machine.listen(self)
        self.waiting = deque() if self.waiting is None else self.waiting
        self._most = max(1, backlog)

    def accept(self) -> tuple[SimSocket, Any]:
        self._check_open()
        if self.waiting is None:
            raise error(errno.EINVAL)
        if not self.waiting:
            raise error(errno.EAGAIN)
        self.host.machine.check_room()
        taken = self.waiting.popleft()
        self.host.machine.open(taken)
        return taken, taken.peer_name

    def is_full(self) -> bool:
        return self.waiting is None or len(self.waiting) + self.coming >= self._most

    def take_in(self, newcomer: SimSocket) -> None:
        """Have a connection wait that is complete; it is reset if nobody listens any more."""
        if self.closed or self.waiting is None:
            newcomer.closed, newcomer.vanished = True, self.vanished
            if not self.vanished:
                newcomer.refuse()
        else:
            self.waiting.append(newcomer)
            self.changed()

    # --- a connection

    def connect_ex(self, address: Any) -> int:
        self._check_open()
        self._connecting = True
        code: int = self.host.machine.connect(self, address)
        return code

    def connected(self, out: Flow, inn: Flow, peer_name: Any) -> None:
        self.out, self.inn, self.peer_name = out, inn, peer_name
        self._connecting = False
        self.changed()

    def getsockopt(self, level: int, option: int) -> int:
        """Tell how it failed, once, as SO_ERROR does; every other option is 0."""
        self._check_open()
        if (level, option) != (socket.SOL_SOCKET, socket.SO_ERROR):
            return 0
        code, self.failed = self.failed, 0
        return code

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._resets = value == _RESET
        else:
            super().setsockopt(level, option, value)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        incoming = self.incoming
        if incoming and not self.closed:
            room = nbytes or len(buffer)
            count = len(incoming)
            if count <= room:
                buffer[:count] = incoming
                incoming.clear()
            else:
                count = room
                buffer[:count] = incoming[:count]
                del incoming[:count]
            self.inn.was_read(count)  # type: ignore[union-attr]  # where bytes have come from
            return count
        self._check_open()
        self._tell_failure()
        if not (self._eof or self._dead or self._deaf):
            raise error(errno.EAGAIN if self.out is not None else errno.ENOTCONN)
        return 0

    def send(self, data: Any, flags: int = 0) -> int:
        out = self.out
        if type(data) is bytes and out is not None and not (self.closed or self.failed or self.ended or self._dead):
            count = out.send(data)
            if count:
                return count
        return self._put((data,))

    def sendmsg(self, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0) -> int:
        return self._put(buffers)

    def _put(self, buffers: Iterable[Any]) -> int:
        self._check_open()
        self._tell_failure()
        if self.out is None:
            raise error(errno.EAGAIN if self._connecting else errno.ENOTCONN)
        if self.ended or self._dead:
            raise error(errno.EPIPE)
        count = self.out.send(_first_bytes(buffers, self.out.free() + 1))  # one more than fits tells that it is more
        if count == 0:
            raise error(errno.EAGAIN)
        return count

    def shutdown(self, how: int) -> None:
        self._check_open()
        if self.out is None or self._dead:
            raise error(errno.ENOTCONN)
        self._deaf = self._deaf or how != socket.SHUT_WR
        if how != socket.SHUT_RD and not self.ended:
            self.ended = True
            self.out.end()
        self.changed()

    def queued(self, unread: bool) -> int:
        """Return how many bytes are unread, or have not arrived."""
        self._check_open()
        if unread:
            return len(self.incoming)
        return 0 if self.out is None or self._dead else self.out.under_way

    def close(self) -> None:
        """End, as a kernel does: a reset if bytes are unread, or if SO_LINGER says so. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.host.machine.close(self)
        for newcomer in self.waiting or ():
            newcomer.closed = True
            newcomer.refuse()
        if self.out is not None and not self._dead:
            if self._resets or self.incoming:
                self.out.reset()
            elif not self.ended:
                self.out.end()
        self.selector = self.on_end = None

    def readiness(self, events: int = _READ | _WRITE) -> int:
        ready = 0
        if events & _READ and (self.incoming or self.waiting or self._eof or self._dead or self._deaf or self.failed):
            ready = _READ
        if events & _WRITE and (self._dead or self.failed or self.ended or (self.out is not None and self.out.room())):
            ready |= _WRITE
        return ready

    # --- what the network tells

    def data_came(self, data: bytes) -> None:
        self.incoming += data
        if self.selector is not None:
            self.selector.mark(self)

    def end_came(self) -> None:
        self._eof = True
        self.changed()

    def fail(self, code: int) -> None:
        """Be reset by the other end, or given up for want of an answer; or find no connection at all."""
        if self.closed or self._dead:
            return
        self._dead, self.failed, self._connecting = True, code, False
        if self.out is not None:
            self.out.over = True
        self.changed()
        if self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            self.host.call(on_end)

    def refuse(self) -> None:
        """Answer with a reset: nobody has this socket."""
        if self.out is not None:
            self.out.reset()

    def vanish(self) -> None:
        for newcomer in self.waiting or ():
            newcomer.vanish()
        if self.out is not None:
            self.out.over = True
        super().vanish()

    def _tell_failure(self) -> None:
        if self.failed:
            code, self.failed = self.failed, 0
            raise error(code)


def _first_bytes(buffers: Iterable[Any], most: int) -> bytes:
    """Join no more than is asked for: behind a slow link it may be a small part of what waits."""
    parts = []
    for buffer in buffers:
        part = buffer if len(buffer) <= most else memoryview(buffer)[:most]
        parts.append(part)
        most -= len(part)
        if most <= 0:
            break
    return parts[0] if len(parts) == 1 and type(parts[0]) is bytes else b"".join(parts)
