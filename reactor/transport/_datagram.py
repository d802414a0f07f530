"""Choose the twin of the datagrams' mechanism: the one that goes with the codec's and the stream's.

The compiled one is for UDP on Linux, which has calls for several datagrams at once; the pure one carries the rest.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

from .. import framing
from .._mode import compiled_wanted
from ._datagram_py import Datagrams as Reference

if TYPE_CHECKING or not framing.EXTENSION or sys.platform != "linux":
    from ._datagram_py import Datagrams
else:
    try:
        from ._datagram_c import Datagrams
    except ImportError:
        if compiled_wanted():
            raise
        from ._datagram_py import Datagrams


def carrier_of(sock: Any) -> type[Reference]:
    """Return what moves the datagrams of a socket."""
    is_udp = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.fileno() >= 0
    return Datagrams if is_udp else Reference


__all__ = ["Datagrams", "Reference", "carrier_of"]
