"""A callback-style event loop on the standard library's selectors, with length-prefixed framing at memcpy speed."""

from .errors import (
    ConnectionTimeout,
    FrameCorrupt,
    FrameTooLarge,
    FrameTruncated,
    FramingError,
    ReactorError,
    WriteBufferFull,
)
from .framing import Decoder, Framing, Piece, presets
from .loop import EventLoop, Handle, Timer
from .protocol import DatagramProtocol, DatagramTransport, FramedProtocol, Protocol, Transport
from .reactor import Reactor
from .server import Drained, Server
from .transport import EXTENSION, Backoff, Connection, Connector, DatagramEndpoint, Limits

__version__ = "0.1.0"

__all__ = [
    "EXTENSION",
    "Backoff",
    "Connection",
    "ConnectionTimeout",
    "Connector",
    "DatagramEndpoint",
    "DatagramProtocol",
    "DatagramTransport",
    "Decoder",
    "Drained",
    "EventLoop",
    "FrameCorrupt",
    "FrameTooLarge",
    "FrameTruncated",
    "FramedProtocol",
    "Framing",
    "FramingError",
    "Handle",
    "Limits",
    "Piece",
    "Protocol",
    "Reactor",
    "ReactorError",
    "Server",
    "Timer",
    "Transport",
    "WriteBufferFull",
    "presets",
]
