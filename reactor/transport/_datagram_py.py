"""The pure twin of the datagrams' mechanism: the reference, and the types of both.

Law: mechanism alone. Receive into the shared memory, deliver one by one; what is sent waits in one queue and leaves at
the end of the turn. It knows no state and no limit: at the edges it asks its endpoint.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any
from typing import Protocol as Interface

from ..framing import BytesLike
from . import udp
from .buffers import READ_SIZE, snapshot

AT_ONCE = 64  # datagrams in a turn at most, from one socket: a flood must not starve the others
LEAST = 128  # bytes that a waiting datagram counts at least: what it takes in memory, however small it is
_CUT = getattr(socket, "MSG_TRUNC", 0)  # on Windows it is an error

Queue = deque[tuple[bytes, Any]]


class Owner(Interface):
    """Who is asked at the edges."""

    def check_thread(self, name: str) -> None: ...
    def admit(self, size: int) -> bool: ...
    def check_peer(self, addr: Any) -> None: ...
    def much_waits(self) -> None: ...
    def turn_ended(self) -> None: ...
    def sent(self) -> None: ...
    def send_failed(self, exc: OSError, size: int, addr: Any) -> None: ...  # size -1: what was sent before has failed
    def receive_failed(self, exc: OSError) -> None: ...
    def nothing_came(self) -> bool: ...
    def was_cut(self, size: int, addr: Any) -> None: ...
    def callback_raised(self, exc: BaseException) -> None: ...


class Datagrams:
    """Moves datagrams between one socket and one protocol.

    `reading`: whether the protocol may be given anything. `room`: how many bytes may wait without asking, -1 for none.
    `alert`: whether the owner looks at every send. `full`: where there is no room now, None for everywhere; what goes
    there waits for `retry()`. `runs_on[0]`: the thread that may send without asking.
    """

    __slots__ = (
        "_batch", "_connected", "_defer", "_family", "_flush_due", "_memory", "_owner", "_peer", "_per_receiver",
        "_queues", "_receive", "_runs_on", "_sock", "alert", "bytes_received", "bytes_sent", "datagrams_dropped",
        "datagrams_received", "datagrams_sent", "full", "protocol", "reading", "room", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        memory: memoryview,
        owner: Owner,
        defer: Callable[[Callable[[], object]], object],
        runs_on: list[int],
    ) -> None:
        self._memory = memory
        self._owner = owner
        self._defer = defer
        self._runs_on = runs_on
        self._sock: Any = None
        self._family = 0
        self._peer: Any = None
        self._connected, self._per_receiver = True, False
        self._queues: dict[Any, Queue] = {}  # by receiver where each has a queue in the kernel, else one for all
        self._flush_due = False
        self._batch = 1  # how many to take: as came before, since asking for one more costs an exception
        self.protocol: Any = None
        self.full: set[Any] = {None}  # nothing leaves without a socket
        self.reading = self.alert = False
        self.room = -1
        self.waiting = 0
        self.bytes_received = self.bytes_sent = 0
        self.datagrams_received = self.datagrams_sent = self.datagrams_dropped = 0

    def attach(self, sock: Any, connected: bool, peer: Any) -> None:
        """Go on with a socket. What has been sent by now waits, and has no receiver of its own."""
        self._sock = sock
        self._family = int(sock.family)
        self._connected, self._peer = connected, peer
        self._per_receiver = not connected and udp.has_queue_per_receiver(self._family)
        self._receive = getattr(sock, "recvmsg_into", None) or _receiver(sock)
        self.full.clear()

    # --- in

    def receive(self) -> None:
        """Deliver what has come, as far as this turn's budget goes."""
        batch, self._batch = self._batch, min(2 * self._batch, AT_ONCE)
        left = READ_SIZE
        for taken in range(batch):
            if not self.reading or left <= 0:
                return
            try:
                size, _, flags, addr = self._receive((self._memory,))
            except (BlockingIOError, InterruptedError):
                self._batch = max(1, taken)
                if not taken:  # it seemed readable: it has errors
                    self._owner.nothing_came()
                return
            except OSError as exc:
                self._owner.receive_failed(exc)
                continue
            self.datagrams_received += 1
            self.bytes_received += size
            left -= size
            self._deliver(size, flags, self._peer if self._connected else addr)

    def _deliver(self, size: int, flags: int, addr: Any) -> None:
        if flags & _CUT:
            return self._owner.was_cut(size, addr)
        try:
            self.protocol.datagram_received(self._memory[:size].tobytes(), addr)
        except BaseException as exc:
            self._owner.callback_raised(exc)
        return None

    # --- out

    def sendto(self, data: BytesLike, addr: Any = None) -> None:
        """Send one datagram, whole or not at all; it leaves with the others of this turn. Never blocks.

        `addr`: the receiver, numeric; None where the socket is connected. What can't be sent is told to
        `error_received`; what finds `max_write_buffer` full, or comes after `close()`, is dropped and counted.
        """
        if self._runs_on[0] != get_ident():
            self._owner.check_thread("sendto")
        chunk = data if type(data) is bytes else snapshot(data)
        if not self._connected:
            addr = udp.destination(self._family, addr)
        elif addr is not None:
            self._owner.check_peer(addr)
            addr = None
        self._put(chunk, addr)

    def _put(self, chunk: bytes, addr: Any) -> None:
        """The one door to the queue."""
        size = max(len(chunk), LEAST)
        receiver = addr if self._per_receiver else None
        if is_much := self.waiting + size > self.room:
            if not self._may_wait(size, receiver):
                self.datagrams_dropped += 1
                return
            is_much = self.waiting + size > self.room
        queue = self._queues.get(receiver)
        if queue is None:
            queue = self._queues[receiver] = deque()
        queue.append((chunk, addr))
        self.waiting += size
        if not self._flush_due:
            self.defer()
        if is_much:
            self._owner.much_waits()

    def _may_wait(self, size: int, receiver: Any) -> bool:
        """Whether so much more may wait, at the latest when what can has left, at once."""
        if self.room >= 0 and receiver not in self.full:
            self.leave()
        if self.waiting + size <= self.room:
            return True
        return self.room >= 0 and (receiver not in self._queues or self._owner.admit(size))

    def defer(self) -> None:
        """See to it that what waits leaves at the end of the turn. What is deferred is this itself."""
        if not self._flush_due:
            self._flush_due = True
            self._defer(self)

    def defer_anew(self) -> None:
        """Do the same, whatever became of an earlier time: an exception out of nowhere may have come between."""
        self.waiting = sum(max(len(chunk), LEAST) for queue in self._queues.values() for chunk, _ in queue)
        self._flush_due = False
        self.defer()

    def __call__(self) -> None:
        """Send what this turn has queued."""
        self._flush_due = False
        self.leave()
        if self.alert:
            self._owner.turn_ended()

    def leave(self) -> None:
        """Send what waits and finds room."""
        for receiver in list(self._queues):
            if receiver not in self.full:
                self._send_all(receiver, self._queues[receiver])
        if self.waiting or self.alert:
            self._owner.sent()

    def retry(self) -> bool:
        """Send what found no room before; tell whether some has left."""
        before = self.waiting
        self.full.clear()
        self.leave()
        return self.waiting < before

    def _send_all(self, receiver: Any, queue: Queue) -> None:
        while queue:
            chunk, addr = queue[0]
            if not self._send(chunk, addr):
                self.full.add(receiver)
                return
            if queue:  # else the owner has dropped it all, for its socket is gone
                queue.popleft()
                self.waiting -= max(len(chunk), LEAST)
        self._queues.pop(receiver, None)

    def _send(self, chunk: bytes, addr: Any) -> bool:
        """Send one datagram, or have it told why not; False if it has to wait.

        A socket fails once for what was refused before, whatever is sent then: so it is sent again.
        """
        error = self._try(chunk, addr)
        if error is not None and not self._per_receiver and not (udp.is_full(error) or udp.is_its_own(error)):
            earlier, error = error, self._try(chunk, addr)
            if error is None:
                self._owner.send_failed(earlier, -1, self._peer)
        if error is None:
            self.datagrams_sent += 1
            self.bytes_sent += len(chunk)
        elif udp.is_full(error):
            return False
        else:
            self._owner.send_failed(error, len(chunk), addr if addr is not None else self._peer)
        return True

    def _try(self, chunk: bytes, addr: Any) -> OSError | None:
        try:
            if addr is None:
                self._sock.send(chunk)
            else:
                self._sock.sendto(chunk, addr)
        except OSError as exc:
            return exc
        except (TypeError, ValueError, OverflowError) as exc:  # an address that Python doesn't take
            return OSError(errno.EINVAL, str(exc))
        return None

    def drop(self) -> None:
        """Forget what waits, and count it."""
        self.datagrams_dropped += sum(map(len, self._queues.values()))
        for queue in self._queues.values():
            queue.clear()
        self._queues.clear()
        self.waiting = 0

    def forget(self, owner: Owner) -> None:
        """Let go of everything, so that nothing of it is a cycle."""
        self.drop()
        self._owner = owner
        self.protocol = self._sock = self._receive = None
        self.reading = self.alert = False
        self.room = -1


def _receiver(sock: Any) -> Callable[[tuple[memoryview]], tuple[int, Any, int, Any]]:
    """Return what stands in for recvmsg_into(), which Windows lacks: there a cut datagram is an error."""

    def receive(buffers: tuple[memoryview]) -> tuple[int, Any, int, Any]:
        size, addr = sock.recvfrom_into(buffers[0])
        return size, [], 0, addr

    return receive
