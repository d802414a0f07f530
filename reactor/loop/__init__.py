"""When. Law: this folder knows file objects and callables, no protocol."""

from .eventloop import EventLoop
from .handle import Handle
from .timers import Timer
from .watch import Watch

__all__ = ["EventLoop", "Handle", "Timer", "Watch"]
