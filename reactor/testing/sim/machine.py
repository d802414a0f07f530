"""SimMachine: sockets, names, ports and descriptors of a simulated host. Law: what isn't this host's goes by a way."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from ...loop.machine import Machine
from ...transport.address import numeric_family
from .base import SimFile, error
from .datagram_socket import SimDatagramSocket
from .handshake import Handshake, pair
from .stream import SimSocket

_FIRST_PORT, _LAST_PORT = 32768, 60999  # what Linux gives to who asks for any
_ANY = {"0.0.0.0", "::"}
_LOOPBACK: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class SimMachine(Machine):
    """What lies below the reactor of one host."""

    has_kernel = False

    def __init__(self, host: Any) -> None:
        self._host = host
        self._files: dict[SimFile, None] = {}  # those that are open
        self._reserved = 0  # descriptors of nothing
        self._bound: dict[tuple[int, Any], SimFile] = {}  # by kind, and port or path
        self._port = _FIRST_PORT - 1

    # --- what a reactor asks for

    def socket(self, family: int, kind: int) -> Any:
        self.check_room()
        sock = SimSocket(self._host, family) if kind == socket.SOCK_STREAM else SimDatagramSocket(self._host, family)
        self.open(sock)
        return sock

    def getaddrinfo(self, host: str | None, port: int, kind: int, flags: int) -> list[Any]:
        found = [(_family(each), kind, 0, "", _sockaddr(each, port)) for each in self._addresses_of(host, flags)]
        if host is not None and numeric_family(host) is None:
            self._host.note("looks up %s: %s", host, ", ".join(each[4][0] for each in found))
        return found

    def take_descriptor(self) -> int | None:
        if self.files >= self._most:
            return None
        self._reserved += 1
        return -1

    def give_descriptor(self, fd: int) -> None:
        self._reserved -= 1

    # --- descriptors

    @property
    def files(self) -> int:
        """How many descriptors are in use."""
        return len(self._files) + self._reserved

    @property
    def _most(self) -> float:
        return float("inf") if self._host.descriptors is None else self._host.descriptors

    def check_room(self) -> None:
        """Raise EMFILE if there is no descriptor."""
        if self.files >= self._most:
            raise error(errno.EMFILE)

    def open(self, file: SimFile) -> None:
        self._files[file] = None

    def close(self, file: SimFile) -> None:
        self._files.pop(file, None)
        key = (int(file.type), _key(file.name))
        if self._bound.get(key) is file and not _is_path(file.name):  # a path stays, as a file does
            del self._bound[key]

    def close_all(self) -> None:
        """Close what a process leaves that ends: the other ends are told."""
        for file in list(self._files):
            file.close()  # type: ignore[attr-defined]  # all have it

    def reset_all(self) -> None:
        """Reset all connections, at both ends."""
        for file in list(self._files):
            if isinstance(file, SimSocket) and file.out is not None:
                file.out.break_off()

    def vanish(self) -> None:
        """Lose everything, without a word."""
        for file in list(self._files):
            file.vanish()
        self._files.clear()
        self._bound.clear()
        self._reserved = 0

    # --- addresses

    def bind(self, file: SimFile, address: Any) -> None:
        """Give a socket its name."""
        if not _is_path(address):
            if address[0] not in _ANY and not self._has(address[0]):
                raise error(errno.EADDRNOTAVAIL)
            address = (address[0], address[1] or self._free_port(int(file.type)), *address[2:])
        key = (int(file.type), _key(address))
        owner = self._bound.get(key)
        if owner is not None and not owner.closed and _meet(owner, file, address):
            raise error(errno.EADDRINUSE)
        file.name = address
        if not isinstance(file, SimSocket) or _is_path(address):
            self._bound[key] = file

    def listen(self, file: SimSocket) -> None:
        if file.name is None:
            self.bind(file, _sockaddr("::" if file.family == socket.AF_INET6 else "0.0.0.0", 0))
        self._bound[int(file.type), _key(file.name)] = file
        self._host.note("listens at %s", file.label)

    def bind_for(self, file: SimFile, address: Any) -> None:
        """Give a socket a name that reaches this address."""
        if file.name is None or file.name[1] == 0:
            file.name = _sockaddr(self.source_for(address), self._free_port(int(file.type)))
        elif file.name[0] in _ANY:
            file.name = _sockaddr(self.source_for(address), file.name[1])
        self._bound.setdefault((int(file.type), _key(file.name)), file)

    def source_for(self, address: Any) -> str:
        """Return our own address from which another is reached."""
        family = _family(address[0])
        if address[0] == _LOOPBACK[family] or address[0] in _ANY:
            return _LOOPBACK[family]
        for own in self._host.addresses:
            if _family(own) == family:
                return str(own)
        raise error(errno.ENETUNREACH)

    def bound_at(self, kind: int, address: Any) -> Any:
        """Return the socket that this address and port reach, or None."""
        file = self._bound.get((kind, _key(address)))
        if file is None or file.closed:
            return None
        if _is_path(address) or file.name[0] in (*_ANY, address[0]):
            return file
        return None

    def _has(self, address: str) -> bool:
        return address in self._host.addresses or address in _LOOPBACK.values()

    def _free_port(self, kind: int) -> int:
        for _ in range(_LAST_PORT - _FIRST_PORT + 1):
            self._port = self._port + 1 if self._port < _LAST_PORT else _FIRST_PORT
            if (kind, self._port) not in self._bound:
                return self._port
        raise error(errno.EADDRINUSE)

    def _addresses_of(self, host: str | None, flags: int) -> list[str]:
        own = self._host.addresses
        families = [socket.AF_INET] + [socket.AF_INET6] * any(":" in each for each in own)
        if host is None:
            passive = flags & socket.AI_PASSIVE
            return ["::" if each == socket.AF_INET6 else "0.0.0.0" for each in families] if passive else ["127.0.0.1"]
        if numeric_family(host) is not None:
            return [host]
        if host == "localhost":
            return [_LOOPBACK[each] for each in families]
        return self._host.network.look_up(self._host, host)  # type: ignore[no-any-return]

    # --- what leaves

    def connect(self, sock: SimSocket, address: Any) -> int:
        """Begin to connect; return an errno, as connect_ex() does."""
        if _is_path(address):
            return self._connect_path(sock, address)
        try:
            self.bind_for(sock, address)
        except OSError as exc:
            return exc.errno or errno.EIO
        Handshake(self._host.network, sock, self._host_of(address), address).begin()
        return errno.EINPROGRESS

    def _connect_path(self, sock: SimSocket, path: str) -> int:
        listener: Any = self._bound.get((socket.SOCK_STREAM, path))
        if listener is None:
            return errno.ENOENT
        if listener.closed or listener.waiting is None:
            return errno.ECONNREFUSED
        if listener.is_full():
            return errno.EAGAIN
        server = pair(self._host.network, sock, listener, path)
        listener.take_in(server)
        return 0

    def send_datagram(self, file: SimDatagramSocket, data: bytes, address: Any) -> None:
        """Let a datagram go its way. Nobody knows here whether it arrives."""
        if file.name is None or file.name[1] == 0:
            self.bind_for(file, address)
        self._bound.setdefault((int(file.type), _key(file.name)), file)
        there = self._host_of(address)
        sender = file.name if file.name[0] not in _ANY else _sockaddr(self.source_for(address), file.name[1])
        self._host.network.carry_datagram(file, sender, there, data, address)

    def _host_of(self, address: Any) -> Any:
        if self._has(address[0]):
            return self._host
        return self._host.network.host_at(address[0])

    def listen_on_path(self, path: str, backlog: int) -> SimSocket:
        """Return a listening socket at a path, or at an abstract name. Raises OSError naming it."""
        sock: SimSocket = self.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind("\0" + path[1:] if path.startswith("@") else path)
            sock.listen(backlog)
        except OSError as exc:
            sock.close()
            raise OSError(exc.errno, f"can't listen on unix:{path}: {os.strerror(exc.errno or 0)}") from None
        return sock


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _sockaddr(address: str, port: int) -> tuple[Any, ...]:
    return (address, port, 0, 0) if ":" in address else (address, port)


def _is_path(address: Any) -> bool:
    return isinstance(address, str)


def _key(address: Any) -> Any:
    """What a bound socket is found by: its port, or its path."""
    return address[1] if isinstance(address, tuple) else address


def _meet(owner: SimFile, file: SimFile, address: Any) -> bool:
    """Tell whether two sockets with one port are in each other's way: not with two families, or two addresses."""
    if _is_path(address):
        return True
    if owner.family != file.family:
        return False
    return owner.name[0] == address[0] or owner.name[0] in _ANY or address[0] in _ANY
