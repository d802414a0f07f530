"""TLS on `ssl.MemoryBIO`. Law: bytes in, bytes out; no socket and no loop, so it is tested in memory.

OpenSSL says "want read" whenever it has used up what is there; nothing else can block it, for its other side is memory.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..framing import Framing
from ..late import ssl

_RECORD_SIZE = 16 * 1024  # RFC 8446, 5.1
_RECORD_OVERHEAD = 80  # bytes: 22 with TLS 1.3, 29 with GCM in TLS 1.2, at most 69 with its CBC suites

# A record is three bytes, a length of two, and that many bytes: all are skipped, and what counts is where they end.
_RECORDS = Framing(2, length_field_offset=3, max_frame_length=0, oversize="discard")


class TLS:
    """How the connections of one door are secured. Raises at once what would be wrong with every handshake."""

    __slots__ = ("context", "server_hostname", "server_side")

    def __init__(self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None = None) -> None:
        if not isinstance(context, ssl.SSLContext):
            raise TypeError(f"context is {context!r}, it must be an ssl.SSLContext")
        if not server_side and context.check_hostname and not server_hostname:
            raise ValueError("the context checks names: server_hostname is needed")  # or it would let any pass
        self.context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side, server_hostname)

    @property
    def forgives_truncation(self) -> bool:
        """Whether the context lets a stream end without close_notify."""
        return bool(self.context.options & getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0))


class Session:
    """One session. OpenSSL's part of it, 40 KiB, is made by `begin()`: a server's when the first byte has come."""

    __slots__ = ("_said_goodbye", "begun", "incoming", "object", "outgoing", "records", "secured", "tls")

    object: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def __init__(self, tls: TLS) -> None:
        self.tls = tls
        self.begun = self.secured = self._said_goodbye = False

    def begin(self) -> None:
        """Make what a handshake needs. Raises ssl.SSLError."""
        tls = self.tls
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = tls.context.wrap_bio(self.incoming, self.outgoing, tls.server_side, tls.server_hostname)
        self.records = _RECORDS.decoder()
        self.begun = True

    @property
    def hot(self) -> Any:
        """Return what reads and writes: below `ssl.SSLObject`, whose own methods are a call in Python more."""
        return getattr(self.object, "_sslobj", self.object)

    def shake_hands(self) -> bool:
        """Go on with the handshake; tell whether it is complete. Raises ssl.SSLError.

        `secured` is set by who has made ready for that: nobody may find a session secured that can't be asked yet.
        """
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLZeroReturnError:  # close_notify: it was given up
            raise self.truncated() from None
        return True

    def feed(self, data: memoryview) -> None:
        """Take what the peer sent, for reading."""
        self.incoming.write(data)
        self.records.feed(data)

    @property
    def in_record(self) -> bool:
        """Whether a record has begun and isn't complete: OpenSSL holds its bytes and doesn't tell."""
        return self.begun and self.records.in_frame

    def goodbye(self) -> None:
        """Say once that no more will be sent: close_notify comes out."""
        if self.secured and not self._said_goodbye:
            self._said_goodbye = True
            with suppress(ssl.SSLError, ValueError):  # the peer hasn't answered with its own
                self.object.unwrap()

    def truncated(self) -> ssl.SSLError:
        """Return what it means that the socket ended without close_notify: somebody may have cut the stream off."""
        when = "without close_notify, so the stream may be cut off" if self.secured else "in the TLS handshake"
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, f"the peer closed {when}")

    def facts(self) -> dict[str, Any]:
        """Return what asyncio's transports tell about TLS."""
        return {
            "ssl_object": self.object,
            "sslcontext": self.object.context,
            "peercert": self.object.getpeercert(),
            "cipher": self.object.cipher(),
            "compression": self.object.compression(),
        }


def size_on_wire(size: int) -> int:
    """Return the most bytes that `size` plain ones will be."""
    return size + _RECORD_OVERHEAD * (size // _RECORD_SIZE + 1)


def behind_the_switch(count: int) -> ssl.SSLError:
    """Return what plain bytes behind a start_tls() mean: nobody can tell who sent them."""
    return ssl.SSLError(f"{count} plain bytes came behind the switch to TLS: they may be injected")


def too_much_read(count: int) -> RuntimeError:
    """Return what is wrong with an `sslobject_class` that says it has read more than it was given room for."""
    return RuntimeError(f"read() of the context's sslobject_class returned {count}, which is not what it had room for")
