"""A callback-style event loop on the standard library's selectors, with length-prefixed framing at memcpy speed."""

from ._mode import compiled_wanted, end_command

TYPE_CHECKING = False  # type checkers take this name for True; typing itself is 10 ms

if TYPE_CHECKING:
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
    from .transport import (
        EXTENSION,
        Backoff,
        Connection,
        Connector,
        DatagramEndpoint,
        Limits,
        ProxyHeader,
        ProxyInfo,
    )
else:
    # A name is imported when it is first asked for: who cuts frames pays for no sockets.
    _HOME = {
        "ConnectionTimeout": "errors",
        "FrameCorrupt": "errors",
        "FrameTooLarge": "errors",
        "FrameTruncated": "errors",
        "FramingError": "errors",
        "ReactorError": "errors",
        "WriteBufferFull": "errors",
        "Decoder": "framing",
        "Framing": "framing",
        "Piece": "framing",
        "presets": "framing",
        "EventLoop": "loop",
        "Handle": "loop",
        "Timer": "loop",
        "DatagramProtocol": "protocol",
        "DatagramTransport": "protocol",
        "FramedProtocol": "protocol",
        "Protocol": "protocol",
        "Transport": "protocol",
        "Reactor": "reactor",
        "Drained": "server",
        "Server": "server",
        "EXTENSION": "transport",
        "Backoff": "transport",
        "Connection": "transport",
        "Connector": "transport",
        "DatagramEndpoint": "transport",
        "Limits": "transport",
        "ProxyHeader": "transport",
        "ProxyInfo": "transport",
    }

    def __getattr__(name):
        from importlib import import_module

        if name in _HOME.values():
            return import_module(f".{name}", __name__)
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        return value

    def __dir__():
        return sorted({*globals(), *_HOME.values(), *__all__})

    try:
        if compiled_wanted():  # a twin that is missing fails this import, not the first connection
            for _home in _HOME.values():
                __getattr__(_home)
    except (ImportError, ValueError) as exc:
        end_command(__name__, exc)
        raise


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
    "ProxyHeader",
    "ProxyInfo",
    "Reactor",
    "ReactorError",
    "Server",
    "Timer",
    "Transport",
    "WriteBufferFull",
    "presets",
]
