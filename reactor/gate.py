"""Gate: who has come through a proxy and hasn't said for whom. Law: no byte is read that isn't the header's.

What has come is looked at where it lies, so a ClientHello or a message in the same segment stays there for whose it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from selectors import EVENT_READ
from typing import Any

from .loop import EventLoop
from .loop.report import Repeats, say
from .loop.watch import nothing_to_do
from .transport import sockets
from .transport.address import format_address
from .transport.proxy import ProxyHeader, ProxyInfo, parse_header
from .waits import Waits

_FIRST_LOOK = 256  # bytes that are looked at while it isn't known how long the header is

OnShown = Callable[[Any, Any, ProxyInfo], object]

_log = logging.getLogger(__name__)


class Gate(Waits["Visitor"]):
    """Lets through who shows a header that is good, and closes on everybody else, each for one counted cause.

    `on_shown(sock, peer, info)` is given the socket, and whom it is for. `on_refused()`: somebody is gone.
    """

    def __init__(
        self, loop: EventLoop, proxy: ProxyHeader, on_shown: OnShown, on_refused: Callable[[], object]
    ) -> None:
        super().__init__(loop)
        self._proxy = proxy
        self._on_shown = on_shown
        self._on_refused = on_refused
        self._refusals: dict[str, Repeats] = {}  # by cause

    def __len__(self) -> int:
        """How many wait."""
        return len(self._due)

    def take(self, sock: Any, peer: Any) -> None:
        """Wait for the header of one who has come, and own the socket until then."""
        visitor = Visitor(self._loop, sock, peer, self)
        self._due[visitor] = self._loop.time() + self._proxy.timeout
        if not self._proxy.trusts(peer):
            return self.refuse(visitor, "proxy_untrusted", "it isn't in `trusted`")
        if self._timer is None:
            self._arm()
        return visitor.read()

    def size(self, head: bytes) -> int | None:
        return self._proxy.size(head)

    def shown(self, visitor: Visitor, info: ProxyInfo) -> None:
        """Let somebody through."""
        self._forget(visitor)
        peer = visitor.peer if info.source is None else info.source
        self._on_shown(visitor.sock, peer, info._replace(proxy=visitor.peer))

    def refuse(self, visitor: Visitor, cause: str, text: str) -> None:
        """Reset somebody, and count it."""
        self._forget(visitor)
        sockets.close(visitor.sock, reset=True)
        self._loop.counts[cause] += 1
        if more := self._refusals.setdefault(cause, Repeats()).note(self._loop.time()):
            said = "%d more refused for their PROXY headers, the last from %s: %s"
            say(_log, logging.WARNING, said, more, format_address(visitor.peer), text)
        self._on_refused()

    def abort(self) -> None:
        """Reset all who wait; nobody is to blame."""
        for visitor in list(self._due):
            self._forget(visitor)
            sockets.close(visitor.sock, reset=True)
            self._on_refused()

    def abandon(self) -> None:
        """Let go of all sockets without a word, in a child of fork()."""
        for visitor in list(self._due):
            self._forget(visitor)
            sockets.close(visitor.sock, reset=False)

    def mend(self) -> None:
        """Wait anew behind an exception out of nowhere."""
        for visitor in list(self._due):
            visitor.wait()
        self._arm()

    def hosts(self) -> Iterator[None]:
        """Yield by which host each is counted who waits: by none."""
        return iter([None] * len(self._due))

    def _forget(self, visitor: Visitor) -> None:
        visitor.watch.close()
        if self._due.pop(visitor, None) is not None and not self._due:
            self._disarm()

    def _overdue(self, visitor: Visitor) -> None:
        text = f"no whole header came within {self._proxy.timeout:g} s, which is timeout of ProxyHeader"
        self.refuse(visitor, "timeouts_proxy", text)


class Visitor:
    """One who waits: a socket, and what has come of its header."""

    __slots__ = ("_gate", "_head", "_size", "peer", "sock", "watch")

    def __init__(self, loop: EventLoop, sock: Any, peer: Any, gate: Gate) -> None:
        self.sock = sock
        self.peer = peer
        self.watch = loop.watch(sock, self.read, nothing_to_do)
        self._gate = gate
        self._head = b""
        self._size: int | None = None

    def wait(self) -> None:
        """Be called when more has come."""
        try:
            self.watch.want(EVENT_READ)
        except (OSError, ValueError, KeyError) as exc:
            self._gate.refuse(self, "proxy_truncated", f"the socket can't be watched: {exc}")

    def read(self) -> None:
        """Look at what has come, and take of it what is the header's."""
        try:
            came = self._take()
        except OSError as exc:
            return self._gate.refuse(self, "proxy_truncated", exc.strerror or str(exc))
        except ValueError as exc:
            return self._gate.refuse(self, "proxy_corrupt", str(exc))
        if came == 0:
            return self._gate.refuse(self, "proxy_truncated", f"it ended behind {len(self._head)} bytes of a header")
        if self._size is None or len(self._head) < self._size:
            return self.wait()
        try:
            info = parse_header(self._head)
        except ValueError as exc:
            return self._gate.refuse(self, "proxy_corrupt", str(exc))
        return self._gate.shown(self, info)

    def _take(self) -> int | None:
        """Return how many bytes were taken; 0 at the end, None while nothing is there. Raises ValueError, OSError."""
        most = _FIRST_LOOK if self._size is None else self._size - len(self._head)
        seen = sockets.look_ahead(self.sock, most)
        if not seen:
            return None if seen is None else 0
        self._size = self._gate.size(self._head + seen)
        count = len(seen) if self._size is None else min(len(seen), self._size - len(self._head))
        self._head += self.sock.recv(count)
        return count
