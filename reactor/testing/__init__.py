"""What a user's tests need: a clock that is told the time, connections in memory, cuts of a stream, and what
a transport promises."""

from .clock import ManualClock
from .conformance import check_transport
from .cuts import cuts
from .memory import MemorySelector, MemorySocket, memory_pair, memory_sockets

__all__ = [
    "ManualClock",
    "MemorySelector",
    "MemorySocket",
    "check_transport",
    "cuts",
    "memory_pair",
    "memory_sockets",
]
