"""FaultyMachine: real sockets, some of whose calls fail or fall short. Law: what isn't scripted is the kernel's.

    with Reactor(FaultySelector()) as net:
        net.machine = machine = FaultyMachine()
        machine.fail("socket", errno.EMFILE)          # the next socket can't be had
        machine.shorten("send", 3, 1)                 # the next sends take so many bytes at most
        machine.fail("send", errno.ENOBUFS, after=5)  # and five sends later one fails

Its sockets have no number, so both twins call their methods, as they do with sockets in memory.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from ..loop.machine import Machine
from ..transport import sockets

_Default: Any = selectors.DefaultSelector  # named so in every Python: the method that it finds a number by

NAMES = ("socket", "getaddrinfo", "connect", "accept", "recv", "send")


class FaultyMachine(Machine):
    """This machine, with a script. `calls`: how often each of `NAMES` was called."""

    has_kernel = False

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._failures: dict[tuple[str, int], int] = {}  # errnos, by name and number of the call
        self._sizes: dict[str, deque[int]] = {"recv": deque(), "send": deque()}

    def fail(self, name: str, code: int, *, after: int = 0, times: int = 1) -> None:
        """Let a call fail with an errno: the next one, or so many `after` that; and so many `times` in a row."""
        if name not in NAMES:
            raise ValueError(f"there is no call {name!r}: {', '.join(NAMES)}")
        first = self.calls[name] + 1 + after
        self._failures.update({(name, number): code for number in range(first, first + times)})

    def shorten(self, name: str, *sizes: int) -> None:
        """Let the next calls of "recv" or "send" take so many bytes at most."""
        self._sizes[name].extend(sizes)

    def called(self, name: str) -> None:
        """Count a call; raise what is scripted for it."""
        self.calls[name] += 1
        code = self._failures.pop((name, self.calls[name]), None)
        if code is not None:
            raise OSError(code, os.strerror(code))

    def size(self, name: str, wanted: int) -> int:
        """Return how many bytes a call may take."""
        sizes = self._sizes[name]
        return min(wanted, sizes.popleft()) if sizes else wanted

    def socket(self, family: int, kind: int) -> Any:
        self.called("socket")
        return FaultySocket(super().socket(family, kind), self)

    def getaddrinfo(self, host: str | None, port: int, kind: int, flags: int) -> list[Any]:
        self.called("getaddrinfo")
        return super().getaddrinfo(host, port, kind, flags)


class FaultySocket:
    """A socket of a FaultyMachine. `real` is the kernel's."""

    def __init__(self, real: socket.socket, machine: FaultyMachine) -> None:
        self.real = real
        self._machine = machine

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def fileno(self) -> int:
        """None that a twin could call the kernel with."""
        return -1

    def accept(self) -> tuple[FaultySocket, Any]:
        self._machine.called("accept")
        sock, peer = self.real.accept()
        return FaultySocket(sock, self._machine), peer

    def connect_ex(self, address: Any) -> int:
        try:
            self._machine.called("connect")
        except OSError as exc:
            return exc.errno or 0
        return self.real.connect_ex(address)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self._machine.called("recv")
        return self.real.recv_into(buffer, self._machine.size("recv", nbytes or len(buffer)), flags)

    def send(self, data: Any, flags: int = 0) -> int:
        self._machine.called("send")
        return self.real.send(memoryview(data)[: self._machine.size("send", len(data))], flags)

    def sendmsg(self, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0) -> int:
        return self.send(b"".join(buffers), flags)

    def sendto(self, data: Any, address: Any) -> int:
        self._machine.called("send")
        return self.real.sendto(data, address)

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0) -> Any:
        self._machine.called("recv")
        return self.real.recvmsg_into(buffers, ancbufsize, flags)

    def queued(self, unread: bool) -> int:
        """Return how many bytes are unread, or have not arrived."""
        return sockets.queued(self.real, unread)


class FaultySelector(_Default):  # type: ignore[misc]  # type checkers know no private name of it
    """Watches the kernel's sockets in place of those of a FaultyMachine."""

    def _fileobj_lookup(self, fileobj: Any) -> int:
        number: int = super()._fileobj_lookup(getattr(fileobj, "real", fileobj))
        return number
