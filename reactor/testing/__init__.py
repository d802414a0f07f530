"""What a user's tests need: a clock that is told the time, and connections in memory."""

from .clock import ManualClock
from .memory import MemorySelector, MemorySocket, memory_pair, memory_sockets

__all__ = ["ManualClock", "MemorySelector", "MemorySocket", "memory_pair", "memory_sockets"]
