"""TLS as a filter on `ssl.MemoryBIO`. Law: bytes in, bytes out; no socket and no loop, so it is tested in memory.

What the peer sent goes in by `receive`, and comes out as plain bytes. Plain bytes go in by `send`, and what the peer is
to get comes out by `take_outgoing`, after every call: the handshake and alerts come out there, too. OpenSSL says "want
read" whenever it has used up what is there; nothing else can block it, for its other side is memory.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_READ_SIZE = 256 * 1024
_RECORD_SIZE = 16 * 1024  # RFC 8446, 5.1
_RECORD_OVERHEAD = 80  # bytes: 22 with TLS 1.3, 29 with GCM in TLS 1.2, at most 69 with its CBC suites


class TLSFilter:
    """One TLS session, as client or server. `secured` is False until the handshake is complete."""

    def __init__(self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None) -> None:
        if not server_side and context.check_hostname and not server_hostname:
            raise ValueError("the context checks names: server_hostname is needed")  # or it would let any pass
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_side, server_hostname)
        self._held: list[bytes] = []  # plain bytes sent before the handshake was complete
        self.secured = False
        self.error: ssl.SSLError | None = None  # what broke the session, behind all that was received before it
        self.peer_ended = False  # close_notify has come: the end is the peer's own, nothing was cut off

    def start(self) -> None:
        """Begin the handshake: a client's first bytes come out. Raises ssl.SSLError."""
        self._shake_hands()

    def receive(self, data: bytes | memoryview) -> bytes:
        """Take what the peer sent; return the plain bytes in it. A bad record sets `error`, with an alert to send."""
        self._incoming.write(data)
        plain: list[bytes] = []
        try:
            if self.secured or self._shake_hands():
                while chunk := self.object.read(_READ_SIZE):
                    plain.append(chunk)
                self.peer_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.peer_ended = True
        except ssl.SSLError as exc:
            self.error = exc
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def send(self, chunks: Iterable[bytes]) -> None:
        """Encrypt plain bytes, or hold them until the handshake is complete."""
        if not self.secured:
            self._held.extend(chunks)
            return
        for chunk in chunks:
            if chunk:
                self.object.write(chunk)  # a memory BIO takes all of it

    def size_on_wire(self, size: int) -> int:
        """Return the most bytes that `size` plain ones will be."""
        return size + _RECORD_OVERHEAD * (size // _RECORD_SIZE + 1)

    def take_outgoing(self) -> bytes:
        """Return what the peer is to get."""
        return self._outgoing.read()

    def end(self) -> None:
        """Say that no more will be sent: close_notify comes out."""
        with suppress(ssl.SSLError, ValueError):  # the peer hasn't answered with its own, or there was no handshake
            self.object.unwrap()

    def truncated(self) -> ssl.SSLError:
        """Return what it means that the socket ended without close_notify: somebody may have cut the stream off."""
        when = "without close_notify, so the stream may be cut off" if self.secured else "in the TLS handshake"
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, f"the peer closed {when}")

    @property
    def held(self) -> int:
        """Bytes that wait for the handshake."""
        return sum(map(len, self._held))

    def extra_info(self) -> dict[str, Any]:
        """Return what asyncio's transports tell about TLS."""
        return {
            "ssl_object": self.object,
            "sslcontext": self.object.context,
            "peercert": self.object.getpeercert(),
            "cipher": self.object.cipher(),
            "compression": self.object.compression(),
        }

    def _shake_hands(self) -> bool:
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.secured = True
        held, self._held = self._held, []
        self.send(held)
        return True


def behind_the_switch(count: int) -> ssl.SSLError:
    """Return what plain bytes behind a start_tls() mean: nobody can tell who sent them."""
    return ssl.SSLError(f"{count} plain bytes came behind the switch to TLS: they may be injected")
