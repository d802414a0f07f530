"""Binding: the sockets of a master. Law: they stay open as long as it does, so whoever comes finds somebody listening.

With a socket per worker a place's successor has the same one: what waits in its queue isn't lost when a worker goes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from ..transport import sockets
from ..transport.address import UnixAddress, format_address, parse_address
from ..transport.resolver import listen_on_all
from ..transport.unix import UnixPath, listen_on_path

_BACKLOG = 511
_UNIX_MODE = 0o600

Pair = tuple[socket.socket, "UnixPath | None"]


class Sockets:
    """What the workers listen on: `of(place)`, in the order of the addresses. Raises ValueError, or OSError naming one.

    `reuse_port`: each place has sockets of its own at TCP addresses, and the kernel deals connections out.
    """

    def __init__(self, addresses: Iterable[str], inherited: Iterable[int], places: int, reuse_port: bool) -> None:
        self._places: list[list[Pair]] = [[] for _ in range(places)]
        self._all: list[Pair] = []
        targets = list(addresses)
        try:
            for address in targets:
                self._add(address, reuse_port)
            for fd in inherited:
                self._share([(_adopt(fd, "a socket of systemd"), None)])
        except BaseException:
            self.close()
            raise

    def _add(self, address: str, reuse_port: bool) -> None:
        if address.startswith("fd://"):
            if not address[5:].isdecimal():
                raise ValueError(f"{address!r} has no number behind fd://")
            return self._share([(_adopt(int(address[5:]), address), None)])
        where = parse_address(address)
        if isinstance(where, UnixAddress):
            return self._share([listen_on_path(where.path, _BACKLOG, _UNIX_MODE)])
        if not reuse_port:
            return self._share([(sock, None) for sock in listen_on_all(*where, _BACKLOG, False)])
        port = where.port
        for place in self._places:
            pairs: list[Pair] = [(sock, None) for sock in listen_on_all(where.host, port, _BACKLOG, True)]
            self._all += pairs
            place += pairs
            port = pairs[0][0].getsockname()[1]
        return None

    def _share(self, pairs: list[Pair]) -> None:
        self._all += pairs
        for place in self._places:
            place += pairs

    def of(self, place: int) -> list[socket.socket]:
        return [sock for sock, _ in self._places[place]]

    @property
    def addresses(self) -> list[str]:
        """Where they listen, each once, as people write it."""
        return list(dict.fromkeys(format_address(sock.getsockname()) for sock, _ in self._all))

    @property
    def paths(self) -> Iterator[str]:
        """Yield the files of Unix sockets that were made here."""
        return (sock.getsockname() for sock, path in self._all if path is not None)

    def close(self) -> None:
        """Listen no more; workers that still do are told apart. Idempotent."""
        for sock, path in self._all:
            if path is not None:
                path.remove()
            sockets.close(sock, reset=False, shared=True)
        self._all, self._places = [], [[] for _ in self._places]

    def keep(self, place: int) -> list[socket.socket]:
        """Return the sockets of one place, and close this process's copies of the others: in a child of fork()."""
        kept = self.of(place)
        for sock, _ in self._all:
            if sock not in kept:
                sockets.close(sock, reset=False, shared=True)
        return kept


def _adopt(fd: int, name: str) -> socket.socket:
    """Return the socket of a descriptor that this process was started with."""
    try:
        os.fstat(fd)
        sock: Any = socket.socket(fileno=fd)
    except OSError as exc:
        raise sockets.named(exc, f"{name}, which is descriptor {fd}, can't be used") from None
    if sock.type != socket.SOCK_STREAM:  # for bind_udp(sock=)
        sock.set_inheritable(False)
        return sock  # type: ignore[no-any-return]
    try:
        sockets.adopt_listening(sock, _BACKLOG)
    except OSError:
        sock.detach()
        raise
    sock.set_inheritable(False)
    return sock  # type: ignore[no-any-return]
