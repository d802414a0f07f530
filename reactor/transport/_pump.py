"""Choose the twin of the pump: the one that goes with the codec's, since the compiled one reaches into it."""

from __future__ import annotations

from socket import socket
from typing import TYPE_CHECKING

from ..framing import EXTENSION
from ._pump_py import Pump as PurePump

if TYPE_CHECKING or not EXTENSION:
    from ._pump_py import Pump
else:
    from ._pump_c import Pump


def pump_for(sock: socket) -> type[Pump]:
    """Return the class for a socket: the compiled one makes system calls, and needs a descriptor for them."""
    return Pump if sock.fileno() >= 0 else PurePump


__all__ = ["Pump", "pump_for"]
