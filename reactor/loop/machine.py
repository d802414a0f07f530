"""Machine: what a loop has of the machine it runs on. Law: sockets and names come from here, or a simulation has none.

A simulated machine is one of another class, which its loop has as `machine`.
"""

from __future__ import annotations

import os
import socket
from typing import Any


class Machine:
    """The one that this process runs on."""

    has_kernel = True  # whether its sockets have descriptors

    def socket(self, family: int, kind: int) -> Any:
        """Return a new socket."""
        return socket.socket(family, kind)

    def getaddrinfo(self, host: str | None, port: int, kind: int, flags: int) -> list[Any]:
        """Return what `socket.getaddrinfo` does; it may block."""
        return socket.getaddrinfo(host, port, type=kind, flags=flags)

    def take_descriptor(self) -> int | None:
        """Return a descriptor of nothing, to be given up when there is no other; None if even that can't be had."""
        try:
            return os.open(os.devnull, os.O_RDONLY)
        except OSError:
            return None

    def give_descriptor(self, fd: int) -> None:
        os.close(fd)


THIS = Machine()
