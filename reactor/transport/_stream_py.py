"""The pure twin of the stream: the reference, and the types of both.

Law: mechanism alone, and the only one. Receive, decrypt where there is TLS, cut into bytes, buffers or frames, call
back; what is written goes into one queue, is encrypted once and sent once at the end of the turn. It knows no state, no
limit and no wait: at the edges it asks its connection.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sized
from socket import socket
from threading import get_ident
from typing import Any

from ..framing import Decoder, Framing
from ..protocol import FramedProtocol, watched_framing
from . import _receiver_py, _sender_py
from .buffers import MOST_GIVEN
from .tls import Session

_LENT = ("send", "send_many")  # what a protocol is lent: a call in Python a message less


class Owner(_receiver_py.Owner, _sender_py.Owner):
    """Who is asked at the edges."""


class Stream(_receiver_py.Receiver, _sender_py.Sender):
    """Moves bytes between one socket and one protocol.

    `reading`: whether the protocol may be given anything. `room`: how many bytes may wait without asking, -1 for none.
    `alert`: whether the owner looks at every delivery and every send. `clocked`: whether it wants to know of every
    transfer. `blocked`: the socket took less than it was given, and is waited for. `runs_on[0]`: the thread that may
    write without asking.
    """

    def __init__(
        self,
        sock: socket,
        memory: memoryview,
        owner: Owner,
        defer: Callable[[Callable[[], object]], object],
        runs_on: list[int],
    ) -> None:
        _receiver_py.Receiver.__init__(self, sock, memory)
        _sender_py.Sender.__init__(self, defer, runs_on)
        self._owner = owner
        self._framing: Framing | None = None
        self.reading = self.alert = self.clocked = self.blocked = False
        self.room = -1
        self.bytes_received = self.bytes_sent = self.frames_sent = self.writes_dropped = 0

    def adopt(self, protocol: Any, initial: bytes = b"") -> None:
        """Deliver to a protocol: `initial` first, then what the last one was not given. Its own code may raise."""
        framing = decoder = None
        if isinstance(protocol, FramedProtocol):
            framing = watched_framing(protocol)
            decoder = _decoder_of(framing)
        rest = initial + self.take_rest()
        self._forget_protocol()
        self.protocol, self.decoder, self._rest = protocol, decoder, rest
        self._buffered = decoder is None and hasattr(protocol, "buffer_updated")
        if framing is not None:
            self._as_list = type(protocol).messages_received is not FramedProtocol.messages_received
            protocol.decoder = decoder
            self._lend(framing)

    def reframe(self, framing: Framing) -> None:
        """Go on with another framing: what is sent from now on, and what comes behind the message being received."""
        decoder = _decoder_of(framing)
        keep_limit(self._framing, self.decoder, decoder)
        self._take_back()
        self._lend(framing)
        if self.decoder is not None and self.decoder.unfinished:
            self._next = decoder
        else:
            self._switch(decoder)

    def _lend(self, framing: Framing) -> None:
        """Lend the protocol our own `send`, unless it has one, or a framing that encodes in a way of its own."""
        self._framing, self._encoder = framing, None
        if type(framing).encode is not Framing.encode or type(framing).encode_many is not Framing.encode_many:
            return
        self._encoder = framing._encoder
        for name in _LENT:
            if getattr(getattr(self.protocol, name), "__func__", None) is getattr(FramedProtocol, name):
                setattr(self.protocol, name, getattr(self, name))

    def _take_back(self) -> None:
        """Take what was lent, if the protocol still has it."""
        for name in _LENT:
            if getattr(self.protocol, name) == getattr(self, name):
                delattr(self.protocol, name)

    def _forget_protocol(self) -> None:
        """Leave the protocol as it was."""
        if self.decoder is not None:
            self._take_back()
        self.protocol = self.decoder = self._encoder = self._framing = self._next = None
        self._as_list = self._buffered = False
        self._held = []

    def secure(self, session: Session, first: bytes) -> None:
        """Speak TLS from now on: what waits leaves plain. `first` is what has come of the peer's handshake."""
        self.session = session
        self._hold_plain()
        self._sealed = first
        if not session.tls.server_side:
            session.begin()
            self._shake_hands(session)

    def forget(self, owner: Owner) -> None:
        """Let go of everything, so that nothing of it is a cycle; what is written from now on is asked of `owner`."""
        self._forget_protocol()
        self.drop()
        self._owner = owner
        self.session = None
        self._rest = self._sealed = b""
        self._more = self._end = self.reading = self.alert = False
        self.room = -1


class Intake:
    """The hot half of a protocol of asyncio's: where it reads to, and what becomes of what it has read.

    Meanwhile this thread may write without asking. `queues`: what isn't empty when anything else is to be done behind a
    read, which `leave()` then does. `raised(exc)`: what came out of a delivery, a KeyboardInterrupt too.
    """

    def begin(
        self,
        stream: Stream,
        runs_on: list[int],
        room: memoryview,
        queues: tuple[Sized, ...],
        leave: Callable[[], object],
        raised: Callable[[BaseException], object],
    ) -> None:
        """Take what comes for a stream. Before that there is no room."""
        self._received = stream.received
        self._runs_on = runs_on
        self._room = room
        self._thread = get_ident()
        self._queues = queues
        self._leave = leave
        self._raised = raised

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where asyncio reads to, for all streams of a loop."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Deliver what asyncio has read, and let what it is answered with leave at once, in one write."""
        before = self._runs_on[0]
        self._runs_on[0] = self._thread
        try:
            self._received(nbytes)
        except BaseException as exc:
            self._raised(exc)
        finally:
            self._runs_on[0] = before
            if any(self._queues):
                self._leave()


class Outlet:
    """What is sent, to a transport of asyncio's.

    `full`: that has said that its buffer isn't empty. `gone`: it is closed. `ended`: nothing more comes from it.
    `given`: bytes that it was given and that didn't count as sent.
    """

    def __init__(self, transport: Any) -> None:
        self._write = transport.write
        self._is_closing = transport.is_closing
        self._buffered = transport.get_write_buffer_size
        self.full = self.gone = self.ended = False
        self.given = 0

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        """Give asyncio bytes, and return how many more have left its buffer; until then they are offered again."""
        if self.gone or (not self.ended and self._is_closing()):  # asyncio takes it all, and forgets it
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        if not self.given:
            self.given = size = min(len(data), MOST_GIVEN)
            self._write(data if type(data) is bytes and size == len(data) else bytes(memoryview(data)[:size]))
            if not self.full:  # as nearly always: the system has taken it
                self.given = 0
                return size
        left = self.left()
        sent, self.given = self.given - left, left
        if not sent:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return sent

    def left(self) -> int:
        """Return how many of the bytes that asyncio was given it still has. Its TLS has made them more."""
        return min(self.given, self.size()) if self.full else 0

    def size(self) -> int:
        """Return how many bytes asyncio has; 3.10's TLS may have nothing below it any more, and can't say."""
        try:
            return int(self._buffered())
        except AttributeError:
            return 0


def _decoder_of(framing: Framing) -> Decoder:
    """Return a decoder of this framing, if it is one."""
    if not isinstance(framing, Framing):
        raise TypeError(f"framing is {framing!r}, it must be a Framing such as Framing()")
    return framing.decoder()


def keep_limit(framing: Framing | None, decoder: Decoder | None, following: Decoder) -> None:
    """Let a limit that was set on a decoder, as one agreed in a handshake is, hold for the one that follows it."""
    if framing is not None and decoder is not None and decoder.max_frame_length != framing.max_frame_length:
        following.max_frame_length = decoder.max_frame_length
