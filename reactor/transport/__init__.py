"""Between sockets and protocols: addresses, bounds, and one Connection for every stream."""

from ._stream import EXTENSION
from .connection import Connection
from .connector import Connector
from .limits import Backoff, Limits
from .listener import Listener

__all__ = ["EXTENSION", "Backoff", "Connection", "Connector", "Limits", "Listener"]
