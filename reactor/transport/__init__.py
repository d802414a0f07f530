"""Between sockets and protocols: addresses, bounds, one Connection for every stream, one endpoint for datagrams."""

from ._stream import EXTENSION
from .connection import Connection
from .connector import Connector
from .datagram import DatagramEndpoint
from .limits import Backoff, Limits
from .listener import Listener
from .proxy import ProxyHeader, ProxyInfo

__all__ = [
    "EXTENSION",
    "Backoff",
    "Connection",
    "Connector",
    "DatagramEndpoint",
    "Limits",
    "Listener",
    "ProxyHeader",
    "ProxyInfo",
]
