"""The receiving half of the pure stream. Law: in order, and only while the protocol reads; what it isn't given is kept.

Positions are moved on before each call into the protocol, so whatever it raises, pauses or hands over loses no byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from socket import socket
from typing import Any
from typing import Protocol as Interface

from ..errors import FramingError
from ..framing import Decoder, Piece
from ..late import ssl
from ..protocol import FramedProtocol
from .buffers import ANSWER_FROM, MESSAGES_PER_TURN, PLAIN_ROOM, SEALED_SLICE, WriteBuffer
from .tls import Session, too_much_read


class Owner(Interface):
    """Who is asked at the edges of receiving. Each call may end the connection, pause it, or change its protocol."""

    def read_failed(self, exc: OSError) -> None: ...
    def socket_ended(self) -> None: ...
    def touched(self, sending: bool) -> None: ...
    def secured(self) -> None: ...
    def delivered(self) -> None: ...
    def callback_raised(self, exc: BaseException) -> None: ...


class Receiver:
    """Reads once a turn and delivers. `memory`: where reads go, shared by all streams of a loop."""

    _owner: Any
    reading: bool
    alert: bool
    clocked: bool
    blocked: bool
    bytes_received: int
    _new: WriteBuffer
    waiting: int
    leave: Any
    defer: Any
    put_own: Any

    def __init__(self, sock: socket, memory: memoryview) -> None:
        self._sock = sock
        self._memory = memory
        self.protocol: Any = None
        self.decoder: Decoder | None = None
        self._next: Decoder | None = None  # what follows the frame in progress
        self._as_list = self._buffered = False
        self._held: list[bytes] = []  # messages of a list that stopped
        self._rest: bytes | memoryview = b""  # plain bytes that no protocol was given
        self._budget = MESSAGES_PER_TURN  # how many are left, of this turn
        self._frames = 0  # that the turns before have handed out
        self.session: Session | None = None
        self._sealed: bytes | memoryview = b""  # bytes that TLS was not given
        self._more = False  # whether TLS may have plain bytes that were not asked for
        self._end: ssl.SSLError | bool = False  # how TLS ended, behind all that came before
        self.drained = False  # the last read came back short: the socket has no more
        self.heard = False  # whether a protocol of bytes was given any

    def receive(self) -> None:
        """Read once, and deliver what is whole."""
        was_waited_for = (self.decoder is not None or self.session is not None) and self._is_waited_for()
        self._frames += MESSAGES_PER_TURN - self._budget
        self._budget = MESSAGES_PER_TURN
        data = self._read(self._memory if self.session is None else self._memory[PLAIN_ROOM:])
        if data is None:
            return None
        try:
            if self.session is None:
                self._cut(data)
            else:  # what came before TLS began, or while nothing was read, is in front
                self._open(memoryview(bytes(self._sealed) + data) if self._sealed else data)
        except BaseException as exc:
            return self._raised(exc)
        return self._look(was_waited_for)

    def received(self, count: int) -> None:
        """Deliver `count` bytes that somebody else has read into `memory`, behind the room for plain bytes."""
        was_waited_for = (self.decoder is not None or self.session is not None) and self._is_waited_for()
        self._frames += MESSAGES_PER_TURN - self._budget
        self._budget = MESSAGES_PER_TURN
        if self.clocked:
            self._owner.touched(False)
        self.bytes_received += count
        data = self._memory[PLAIN_ROOM : PLAIN_ROOM + count]
        try:
            if self.session is not None or self._sealed:
                self._open(memoryview(bytes(self._sealed) + data) if self._sealed else data)
            elif self.reading and not self._kept():
                self._cut(data)
            else:  # it was on its way when reading was paused
                self._rest = bytes(self._rest) + data
        except BaseException as exc:
            return self._raised(exc)
        return self._look(was_waited_for)

    def resume(self) -> None:
        """Deliver what was left, as much as one turn allows."""
        self._frames += MESSAGES_PER_TURN - self._budget
        self._budget = MESSAGES_PER_TURN
        try:
            if not self.reading:  # but TLS goes on, whoever pauses in a handshake
                self._open(memoryview(self._sealed))
            elif self._held:
                held, self._held = self._held, []
                FramedProtocol.messages_received(self.protocol, held)
            elif self.decoder is not None and self.decoder.undecoded:
                self._deliver()
            elif self._rest:
                rest, self._rest = self._rest, b""
                self._cut(memoryview(rest))
            elif self.session is not None:
                self._open(memoryview(self._sealed))
        except BaseException as exc:
            return self._raised(exc)
        return self._look(True)

    def _read(self, memory: memoryview) -> memoryview | None:
        """Read once; None if nothing came, and the owner was told why."""
        if self.clocked:  # first, for an exception out of nowhere in it must not cost what was read
            self._owner.touched(False)
        try:
            count = self._sock.recv_into(memory)
        except (BlockingIOError, InterruptedError):
            self.drained = True
            return None
        except OSError as exc:
            self._owner.read_failed(exc)
            return None
        self.drained = count < len(memory)
        if count == 0:
            self._owner.socket_ended()
            return None
        self.bytes_received += count
        return memory[:count]

    def _look(self, always: bool) -> None:
        """Let large answers leave while they are in the caches; let the owner look at what is out of the ordinary."""
        if self._new.size >= ANSWER_FROM and not self.blocked:
            self.leave()
        plain = self.decoder is None and self.session is None  # of raw bytes the rest tells all
        if always or self.alert or not self.reading or (self._rest if plain else self._is_in_the_middle()):
            self._owner.delivered()

    def _raised(self, exc: BaseException) -> None:
        """Let the owner take what came out of the protocol; a KeyboardInterrupt goes on from here."""
        try:
            self._owner.callback_raised(exc)
        finally:
            self._owner.delivered()

    # --- cutting

    def _cut(self, data: memoryview) -> None:
        """Deliver plain bytes; nothing is left of earlier ones."""
        if self.decoder is not None:
            self.decoder.push(bytes(data))
            return self._deliver()
        self.heard = True
        if self._buffered:
            self._fill(data)
        else:
            self.protocol.data_received(bytes(data))

    def _fill(self, data: memoryview) -> None:
        """Deliver into the protocol's own buffers, as asyncio's BufferedProtocol wants it."""
        protocol, self._rest = self.protocol, data
        try:
            while self._rest and self.reading and self.protocol is protocol:
                buffer = memoryview(protocol.get_buffer(len(self._rest))).cast("B")
                if not (self._rest and self.reading and self.protocol is protocol):
                    break
                count = min(len(buffer), len(self._rest))
                if not count:
                    raise RuntimeError("get_buffer() returned an empty buffer")
                buffer[:count] = self._rest[:count]
                self._rest = self._rest[count:]
                protocol.buffer_updated(count)
        finally:
            self._rest = bytes(self._rest)  # the memory is another connection's next

    def _deliver(self) -> None:
        """Decode and call back, until the protocol reads no more or this turn's messages are spent."""
        decoder = self.decoder
        assert decoder is not None
        frames = islice(_frames_of(decoder, self._budget), self._budget)
        if self._as_list and self._next is None:
            batch: list[bytes] = []
            try:
                batch.extend(frames)
            finally:  # an interrupt inside of the user's `read_header` costs no message
                self._budget -= len(batch)
                if batch:
                    self.protocol.messages_received(batch)
            return
        for frame in frames:
            self._budget -= 1
            self._call_back(frame)
            if self._next is not None and self.decoder is decoder and not decoder.unfinished:
                self._switch(self._next)
            if not self.reading or self.decoder is not decoder:
                break

    def _call_back(self, frame: bytes) -> None:
        if self._as_list:
            self.protocol.messages_received([frame])
        elif type(frame) is Piece:
            self.protocol.piece_received(frame)
        else:
            self.protocol.message_received(frame)

    def take_held(self) -> list[bytes]:
        """Hand over the messages that were kept."""
        held, self._held = self._held, []
        return held

    def keep(self, messages: list[bytes]) -> None:
        """Keep messages of a list that its protocol was given and has not come to."""
        self._held = messages + self._held

    # --- TLS

    def _open(self, data: memoryview) -> None:
        """Decrypt and deliver, a slice at a time, until the protocol reads no more or TLS has a word to say."""
        session, self._sealed = self.session, data
        assert session is not None
        listens = session.secured and not self.reading  # TLS alone: what is made of it is for nobody
        try:
            while True:
                piece, self._sealed = self._sealed[:SEALED_SLICE], self._sealed[SEALED_SLICE:]
                if piece:
                    if not session.begun:
                        session.begin()
                    session.feed(memoryview(piece))
                if not (self._open_slice(session) or (listens and not self._end)) or not self._sealed:
                    break
        finally:
            self._sealed = bytes(self._sealed)  # the memory is another connection's next

    def _open_slice(self, session: Session) -> bool:
        """Deliver what TLS makes of what it has; tell whether it may be given more in this turn."""
        if not session.secured:
            if not self._shake_hands(session):
                return not self._end
            try:
                self._owner.secured()
            finally:  # more may have come behind the handshake: it is read below, or goes on later
                self._more = True
            if not self.reading or self._keeps_plain():
                return False
        plain = self._read_plain(session)
        spoke = session.outgoing.pending > 0
        self.put_own()
        if self.waiting:
            self.defer()  # what TLS couldn't take before
        if plain and self.reading:
            self._cut(self._memory[:plain])
        return self.reading and not (spoke or self._kept() or self._end or self._is_broken())

    def _shake_hands(self, session: Session) -> bool:
        """Go on with the handshake; tell whether it is complete."""
        try:
            if not session.shake_hands():
                return False
        except ssl.SSLError as exc:
            self._end = exc
            return False
        finally:
            self.put_own()
        session.secured = True
        return True

    def _read_plain(self, session: Session) -> int:
        """Read plain bytes into the shared memory; return how many."""
        hot = session.hot
        filled: int = 0
        self._more = False
        try:
            while filled < PLAIN_ROOM:
                count = hot.read(PLAIN_ROOM - filled, self._memory[filled:PLAIN_ROOM])
                if count == 0:
                    self._end = True
                    return filled
                if not 0 < count <= PLAIN_ROOM - filled:
                    raise too_much_read(count)
                filled += count
                if not (session.incoming.pending or hot.pending()):
                    return filled  # asking would be answered by an exception, which is dearer
            self._more = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end = True
        except ssl.SSLError as exc:
            self._end = exc
        return filled

    @property
    def frames_received(self) -> int:
        """Messages that were handed out, and pieces of messages."""
        return self._frames + MESSAGES_PER_TURN - self._budget

    # --- what is left

    @property
    def left(self) -> bool:
        """Whether something has come that was not delivered. Behind what broke the stream nothing counts."""
        return bool(self._held) if self._is_broken() else bool(self._sealed) or self._kept()

    def _kept(self) -> bool:
        """Whether plain bytes or messages have come that were not delivered."""
        return self._more or self._keeps_plain()

    @property
    def unopened(self) -> bool:
        """Whether bytes have come that TLS was not given."""
        return bool(self._sealed)

    def _keeps_plain(self) -> bool:
        if self._held or self._rest:
            return True
        return self.decoder is not None and self.decoder.undecoded > 0 and self.decoder.error is None

    def _is_broken(self) -> bool:
        return self.decoder is not None and self.decoder.error is not None

    def _is_in_the_middle(self) -> bool:
        """Whether something is begun or undelivered, or the stream has ended."""
        return self.in_frame or self.left or self.end is not None

    def _is_waited_for(self) -> bool:
        """Whether the owner waits for the end of a frame, or of a handshake."""
        if self.session is not None:
            return not self.session.secured or self.in_frame
        return self.decoder is not None and self.decoder.in_frame

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun and isn't complete, or a record of TLS."""
        if self.decoder is not None and self.decoder.in_frame:
            return True
        return self.session is not None and self.session.in_record

    @property
    def frame_offset(self) -> int:
        """Where in the stream the unfinished frame begins; of one that is streamed or discarded, what is next of it."""
        return 0 if self.decoder is None else self.decoder.stream_offset

    @property
    def progress(self) -> str:
        """What has come of the unfinished frame, in words."""
        told: str = getattr(self.decoder, "progress", "")  # a decoder of the user's own may not tell
        return told or ("" if self.session is None else "part of a TLS record came")

    @property
    def end(self) -> FramingError | ssl.SSLError | bool | None:
        """How the stream ended, behind all that was delivered: an error, or True for close_notify; else None."""
        if self.left:
            return None
        if self.decoder is not None and self.decoder.error is not None:
            return self.decoder.error
        return self._end or None

    def take_rest(self) -> bytes:
        """Hand over what the protocol was not given."""
        rest = bytes(self._rest)
        if self.decoder is not None:
            rest = self.decoder.detach() + rest
        self._rest = b""
        return rest

    def _switch(self, decoder: Decoder) -> None:
        """Go on with another decoder: it gets every byte that the present one has not made a message of."""
        self._rest = self.take_rest()
        self._next = None
        self.decoder = self.protocol.decoder = decoder


def _frames_of(decoder: Any, most: int) -> Iterator[bytes]:
    """Return an iteration that comes back behind so many skipped frames; a decoder of the user's own may not."""
    frames = getattr(decoder, "frames", None)
    return iter(decoder) if frames is None else frames(most)
