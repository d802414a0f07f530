"""The other side, by hand: a peer takes and gives bytes only when it is told to, so it can be as bad as it likes."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reactor.testing import MemorySocket

Until = Callable[[Callable[[], Any]], None]


class MemoryWire:
    """A socket in memory, with the few methods of a real one that a peer calls."""

    def __init__(self, sock: MemorySocket) -> None:
        self.sock = sock
        self._over = False

    def send(self, data: bytes) -> int:
        return self.sock.send(data)

    def recv(self, size: int) -> bytes:
        room = bytearray(size)
        return bytes(room[: self.sock.recv_into(memoryview(room))])

    def shutdown(self, how: int) -> None:
        self.sock.shutdown(how)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self.sock.setsockopt(level, option, value)

    def close(self) -> None:
        if not self._over:
            self._over = True
            self.sock.close()


class Peer:
    """A peer at a bare wire. `plain` is all that it was given; `end` is how that ended: None, "eof" or "reset"."""

    def __init__(self, wire: Any, until: Until) -> None:
        self.wire = wire
        self.until = until
        self.plain = bytearray()
        self.wire_bytes = 0  # that it was given, sealed or not
        self.end: str | None = None

    # --- giving

    def send(self, data: bytes) -> None:
        """Give bytes, making turns while they find no room."""
        self.put(self.sealed(data))

    def sealed(self, data: bytes) -> bytes:
        """Return what these bytes are on the wire."""
        return data

    def put(self, raw: bytes) -> None:
        view = memoryview(raw)

        def all_gone() -> bool:
            nonlocal view
            view = view[self.try_put(bytes(view)) :]
            return not view

        self.until(all_gone)

    def try_put(self, raw: bytes) -> int:
        """Give what finds room at once; return how much."""
        done = 0
        with suppress(BlockingIOError):
            while done < len(raw):
                done += self.wire.send(raw[done : done + (1 << 18)])
        return done

    # --- taking

    def take(self, most: int = 1 << 18) -> int:
        """Take once what is there; return how many bytes that were."""
        if self.end in ("reset", "eof", "cut"):
            return 0
        try:
            raw = self.wire.recv(most)
        except BlockingIOError:
            return 0
        except ConnectionError:
            self.ended("reset")
            return 0
        self.wire_bytes += len(raw)
        if raw:
            self.opened(raw)
        else:
            self.ended("eof")
        return len(raw)

    def take_all(self) -> bytes:
        while self.take():
            pass
        return bytes(self.plain)

    def opened(self, raw: bytes) -> None:
        self.plain += raw

    def ended(self, how: str) -> None:
        self.end = self.end or how

    def reads(self, count: int) -> bytes:
        """Make turns until so many bytes have come."""
        self.until(lambda: self.take_all() is not None and (len(self.plain) >= count or self.end))
        return bytes(self.plain)

    def reads_to_the_end(self) -> bytes:
        self.until(lambda: self.take_all() is not None and self.end)
        return bytes(self.plain)

    # --- beginnings and ends

    def shake(self) -> None:
        """There is nothing to agree on."""

    def finish(self) -> None:
        """End our side in good order."""
        self.wire.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End our side without a word of TLS."""
        self.wire.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.wire.close()


class SealedPeer(Peer):
    """A peer that speaks TLS. `end` may be "cut", an end without close_notify, or "alert", too."""

    def __init__(self, wire: Any, until: Until, context: ssl.SSLContext, server_side: bool) -> None:
        super().__init__(wire, until)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else "localhost"
        self.heard = b""  # in the handshake
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, name)

    def sealed(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def opened(self, raw: bytes) -> None:
        self.incoming.write(raw)
        try:
            while data := self.tls.read(1 << 18):
                self.plain += data
            self.end = "eof"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.end = "eof"
        except ssl.SSLError:
            self.ended("alert")
        if answer := self.outgoing.read():
            with suppress(ConnectionError):
                self.try_put(answer)

    def ended(self, how: str) -> None:
        super().ended("cut" if how == "eof" else how)

    def shake(self) -> None:
        self.put(self.last_flight())

    def say_hello(self) -> None:
        """Begin the handshake, and hear the first answer."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.put(self.outgoing.read())
        self.until(self._more)

    def last_flight(self) -> bytes:
        """Shake hands; return the bytes that complete our part, for the caller to send."""
        while True:
            try:
                self.tls.do_handshake()
                return self.outgoing.read()
            except ssl.SSLWantReadError:
                self.put(self.outgoing.read())
            self.until(self._more)

    def _more(self) -> bool:
        try:
            raw = self.wire.recv(1 << 16)
        except BlockingIOError:
            return False
        assert raw, "it hung up in the handshake"
        self.incoming.write(raw)
        self.heard += raw
        return True

    def finish(self) -> None:
        with suppress(ssl.SSLError):  # the other side hasn't said its own goodbye yet
            self.tls.unwrap()
        self.put(self.outgoing.read())
        super().finish()
