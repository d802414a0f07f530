"""Session: a TLS filter between the halves of a connection. Law: what it has to say leaves at once, and in order."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import Any
from typing import Protocol as Interface

from ..loop.watch import nothing_to_do
from .deadlines import Deadlines
from .outbox import Outbox
from .tls import TLSFilter


class Owner(Interface):
    """Who is told how the handshake went."""

    def secured(self, facts: dict[str, Any]) -> None: ...
    def receiving_failed(self, exc: Exception) -> None: ...


class Session:
    """Shakes hands within `timeout` seconds, decrypts for the inbox and encrypts for the outbox.

    `on_done()` is what was to be called when the handshake is complete: its owner does that.
    """

    def __init__(
        self, filter_: TLSFilter, outbox: Outbox, deadlines: Deadlines, timeout: float | None, owner: Owner
    ) -> None:
        self._filter = filter_
        self._outbox = outbox
        self._deadlines = deadlines
        self._timeout = timeout
        self._owner = owner
        self._farewell = False
        self.on_done: Callable[[], object] = nothing_to_do

    @property
    def shaking_hands(self) -> bool:
        return not self._filter.secured

    @property
    def peer_ended(self) -> bool:
        return self._filter.peer_ended

    @property
    def error(self) -> ssl.SSLError | None:
        return self._filter.error

    def begin(self) -> None:
        """Begin the handshake."""
        self._deadlines.start("handshake_timeout", self._timeout)
        try:
            self._filter.start()
        except ssl.SSLError as exc:
            return self._owner.receiving_failed(exc)
        return self._put()

    def received(self, data: bytes | memoryview) -> bytes:
        """Take what the socket gave; return the plain bytes in it."""
        was_secured = self._filter.secured
        plain = self._filter.receive(data)
        self._put()
        if self._filter.secured and not was_secured:
            self._deadlines.stop("handshake_timeout")
            self._owner.secured(self._filter.extra_info())
        return plain

    def truncated(self) -> ssl.SSLError:
        return self._filter.truncated()

    def size_on_wire(self, size: int) -> int:
        """Return the most bytes that `size` plain ones will be in the outbox: held ones lie there as they are."""
        return self._filter.size_on_wire(size) if self._filter.secured else size

    def send(self, chunks: Iterable[bytes]) -> None:
        self._filter.send(chunks)
        self._put()

    def end(self, last: bool) -> None:
        """Say goodbye, once. `last`: the peer has ended and nothing waits, so it may well be gone already."""
        if self._farewell or self.shaking_hands:
            return
        self._farewell = True
        self._filter.end()
        if last:
            self._outbox.send_last(self._filter.take_outgoing())
        else:
            self._put()

    def _put(self) -> None:
        data = self._filter.take_outgoing()
        self._outbox.buffer.held = self._filter.held
        if data:
            self._outbox.put((data,), len(data))
        self._outbox.check_high()
