"""One connection of ours and its peer by hand, and an account of both: who was told what, which bytes are owed to whom.

Law: what is said here about a connection is said from outside, and the same for both twins.
"""

from __future__ import annotations

import ssl
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from road.cast import Batches, Buffered, Bytes, Frames, frame
from road.peers import MemoryWire, Peer, SealedPeer

from reactor import Connection, Limits, ReactorError
from reactor.testing import memory_sockets

CALLBACKS = ["made", "message", "data", "buffer", "eof", "lost", "pause", "resume", "failed", "piece", "done"]
KINDS: list[type[Any]] = [Frames, Batches, Bytes, Buffered]
_DEEPEST = 4  # callbacks inside one another that still act
_BETWEEN = 16  # bytes of a stream that no callback is given: the longest header here

Told = Callable[..., Any]


class Fault(AssertionError):
    """A promise that was broken."""


class Handshaker(SealedPeer):
    """A peer that shakes hands as its bytes come, and is given what it takes when it takes."""

    def __init__(self, wire: MemoryWire, context: ssl.SSLContext, server_side: bool = False) -> None:
        super().__init__(wire, lambda _: None, context, server_side)
        self.secured = False
        self._later = b""  # what the wire had no room for

    def sealed(self, data: bytes) -> bytes:
        if self.secured:
            self.tls.write(data)
        self._later += self.outgoing.read()
        return b""

    def try_put(self, raw: bytes) -> int:
        self._later += raw
        self._later = self._later[super().try_put(self._later) :]
        return len(raw)

    def opened(self, raw: bytes) -> None:
        if self.secured:
            return super().opened(raw)
        self.incoming.write(raw)
        return self.shake()

    def shake(self) -> None:
        try:
            self.tls.do_handshake()
            self.secured = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.ended("alert")
        with suppress(OSError):
            self.try_put(self.outgoing.read())
        if self.secured:
            super().opened(b"")

    def finish(self) -> None:
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        self.try_put(self.outgoing.read())
        self.cut()


class Link:
    """A connection and its peer. `plans`: what is done in the next callback of a name."""

    def __init__(self, name: int, note: Told, act: Told, context: ssl.SSLContext | None, capacity: int) -> None:
        self.name = name
        self.note = partial(note, name)
        self._act = act
        self.plans: dict[str, deque[Any]] = defaultdict(deque)
        self.ours, theirs = memory_sockets(capacity)
        self.wire = MemoryWire(theirs)
        self.peer: Peer = Handshaker(self.wire, context) if context else Peer(self.wire, lambda _: None)
        self.connection: Any = None
        self.limits = Limits()
        self.protocols: list[Any] = []
        self.losses = self.depth = self.drops = self.largest = 0
        self.over = False
        self.cause: BaseException | None = None
        self.owed: list[bytes] = []  # what was written, and taken
        self.sent = bytearray()  # what the peer gave
        self.at = self.unseen = 0  # of that was delivered; what may be between that and what is delivered next
        self.exact = True  # every byte is to be delivered: nothing was injected or skipped, and TLS is not begun late
        self.wrote = 0
        self._tls_at: tuple[int, ssl.SSLContext, bool] | None = None

    # --- protocols

    def protocol(self, kind: type[Any], **options: Any) -> Any:
        acts = {each: partial(self.told, each) for each in CALLBACKS}
        protocol = kind(**options, **acts)
        protocol.transport = None
        self.protocols.append(protocol)
        return protocol

    def told(self, call: str, protocol: Any, *args: Any) -> Any:
        """Take note of a callback, hold it against what may come, and do what is planned for it."""
        said = [
            (len(each), each[:12]) if isinstance(each, bytes) else f"{type(each).__name__}: {each}" for each in args
        ]
        self.note(self.protocols.index(protocol), call, *said)
        self._may_come(call)
        if call in ("message", "data", "piece"):
            self._delivered(args[0])
        if call == "lost":
            self.losses += 1
        if self.depth < _DEEPEST and self.plans[call]:
            self.depth += 1
            try:
                return self._act(self, protocol, *self.plans[call].popleft())
            finally:
                self.depth -= 1
        return None

    def _may_come(self, call: str) -> None:
        if self.losses:
            raise Fault(f"{call} came behind connection_lost")
        if call == "made" and any("made" in each.calls[:-1] for each in self.protocols):
            raise Fault("connection_made came twice")
        if not self.connection.made and call != "made":
            raise Fault(f"{call} came before connection_made")

    # --- what is delivered

    def _delivered(self, data: bytes) -> None:
        """Find what was delivered in what the peer sent: behind what was, and not far behind."""
        if not self.exact:
            return
        at = self.sent.find(data, self.at)
        if at < 0:
            raise Fault(f"{data[:40]!r} was delivered, behind {bytes(self.sent[max(0, self.at - 40) : self.at])!r}")
        self.unseen += _BETWEEN
        if at - self.at > self.unseen:
            raise Fault(f"{at - self.at} bytes were never delivered: {bytes(self.sent[self.at : self.at + 40])!r}")
        if data:
            self.at, self.unseen = at + len(data), 0

    def body(self, size: int) -> bytes:
        """Return bytes that were never written before, so that whatever is mixed up is seen."""
        self.wrote += 1
        head = b"<%d.%d>" % (self.name, self.wrote)
        return (head * (size // len(head) + 1))[:size]

    def give(self, data: bytes) -> None:
        """Let the peer send; what finds no room is never sent."""
        peer = self.peer
        if isinstance(peer, Handshaker):
            if not peer.secured:
                return peer.shake()
            self.sent += data
            peer.try_put(peer.sealed(data))
            return None
        self.sent += data
        if lacks := len(data) - peer.try_put(data):
            del self.sent[-lacks:]
        return None

    def begin_tls(self, context: ssl.SSLContext, server_side: bool) -> None:
        """Let the peer speak TLS behind all that was written until now."""
        self._tls_at = len(b"".join(self.owed)), context, server_side

    def take(self, most: int) -> None:
        """Let the peer take what is there."""
        if self._tls_at is None:
            self.peer.take(most)
            return
        at, context, server_side = self._tls_at
        if lacks := at - len(self.peer.plain):
            self.peer.take(min(most, lacks))
        else:
            plain, self._tls_at = self.peer.plain, None
            self.peer = Handshaker(self.wire, context, server_side)
            self.peer.plain = plain

    # --- what is written

    def write(self, data: bytes, call: Callable[[], object]) -> None:
        """Make a call that writes `data`, and keep account of whether that was taken."""
        at, before = len(self.owed), self.connection.writes_dropped
        known = self.drops
        self.owed.append(data)
        self.largest = max(self.largest, len(data))
        try:
            call()
        except (RuntimeError, ReactorError):  # it was refused; anything else comes from inside pause_writing()
            self.owed[at] = b""
            raise
        if self.connection.writes_dropped - before > self.drops - known:
            self.drops += 1
            self.owed[at] = b""
        self.check_cap()

    def check_cap(self) -> None:
        cap = self.limits.max_write_buffer
        if cap is None:
            return
        waiting, most = self.connection.get_write_buffer_size(), max(cap, self.largest)
        if waiting > most + (most >> 3) + 4096 * (self.connection._tls is not None):
            raise Fault(f"{waiting} bytes wait, max_write_buffer is {cap}")

    def check_peer(self) -> None:
        """What the peer was given is what was written, up to where it was cut."""
        plain, owed = bytes(self.peer.plain), b"".join(self.owed)
        if plain != owed[: len(plain)]:
            at = next((i for i, (x, y) in enumerate(zip(plain, owed, strict=False)) if x != y), len(owed))
            raise Fault(f"at {at} the peer was given {plain[at : at + 40]!r}, written was {owed[at : at + 40]!r}")
        clean = self.over and self.cause is None and not self.connection.reset and self.wire.sock.incoming == b""
        if clean and self.peer.end == "eof" and len(plain) < len(owed):
            raise Fault(f"{len(owed) - len(plain)} bytes of {len(owed)} were never sent, and the end was clean")

    def check_end(self) -> None:
        if self.losses != self.connection.made:
            raise Fault(f"connection_lost came {self.losses} times, connection_made {int(self.connection.made)}")
        if not self.over:
            raise Fault("the connection never ended")

    def let_go(self) -> list[weakref.ref[Any]]:
        """Forget what has ended; return what tells whether it is gone."""
        for protocol in self.protocols:  # an exception knows the frames it came through, and they know the protocol
            protocol.causes.clear()
            getattr(protocol, "failures", []).clear()
        refs = [weakref.ref(each) for each in (self.connection, *self.protocols)]
        self.connection = None
        self.protocols.clear()
        return refs

    def start(self, loop: Any, memory: memoryview, protocol: Any, limits: Limits, tls: Any, on_end: Told) -> None:
        self.limits = limits
        self.connection = Connection(loop, self.ours, protocol, limits, memory, "peer", partial(self._end, on_end), tls)
        loop.call_soon(self.connection.start)

    def _end(self, on_end: Told, connection: Any, cause: BaseException | None, sock: Any) -> None:
        if self.over:
            raise Fault("the end was told twice")
        self.over, self.cause = True, None if cause is None else RuntimeError(f"{type(cause).__name__}: {cause}")
        self.note("end", str(self.cause), connection.reset)
        on_end(connection, cause, sock)


def framed(bodies: list[bytes]) -> bytes:
    return b"".join(map(frame, bodies))
