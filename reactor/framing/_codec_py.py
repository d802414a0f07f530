"""The pure twin of the codec: the reference, and the types of both.

Laws: no policy, no clock, no socket. What comes out never depends on how the bytes were cut. The position is moved
before a frame is handed out, so whoever takes one may stop there: what is left stays undecoded, byte for byte.

A frame begins in `HEAD`. A complete header is judged at once and leads to `BODY` (collected), `SKIP` (discarded)
or `STREAM` (handed out in pieces). `BROKEN` and `ENDED` are final. What ends in a delimiter goes the same way, without
a body: see _lines_py.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from operator import index
from typing import TYPE_CHECKING

from ..errors import FramingError
from . import verdicts
from ._chunk_py import BODY, BROKEN, ENDED, HEAD, SKIP, STREAM
from ._encoder_py import BytesLike, CustomEncoder, DelimitedEncoder, Encoder, encoder_of
from ._fields_py import length_reader
from ._lines_py import Lines
from .custom import ReadHeader, ask
from .piece import Piece

if TYPE_CHECKING:
    from .spec import Framing

_READ_SIZE = 64 * 1024  # what get_buffer() offers without a hint: one read of a common socket buffer
_MAX_READ_SIZE = 256 * 1024  # more per read costs cache misses (picows#117)


__all__ = ["BytesLike", "CustomEncoder", "Decoder", "DelimitedEncoder", "Encoder", "encoder_of"]


class Decoder(Lines):
    """Cut a stream into frames. Not thread-safe. An idle decoder holds no buffer.

    Iterating decodes lazily what `push()` brought; `feed()` is both at once.
    """

    __slots__ = (
        "_adjustment", "_ask", "_body", "_field", "_fixed", "_max_varint", "_missing", "_most_header", "_offset",
        "_promised", "_read_length", "_strip",
    )  # fmt: skip

    def __init__(self, framing: Framing) -> None:
        super().__init__(framing)
        self._offset = framing.length_field_offset
        self._field = -1 if framing.read_header or framing.delimiter else self._offset  # where the length field is
        self._adjustment = framing.length_adjustment
        self._strip = framing.strip
        self._max_varint = framing.max_varint_bytes
        self._header_size = framing.length_field_offset + framing.length_field_length
        self._fixed = framing.fixed_length
        self._ask, self._most_header = framing.read_header, framing.max_header_length
        self._promised: tuple[int, int] | None = None  # bytes of header and body, as `read_header` said
        verdicts.check_layout(
            self._offset, framing.length_field_length, self._max_varint, len(self._delimiter), self._most_header
        )
        self._read_length = length_reader(framing)
        self._body = bytearray()  # of the frame in progress, in BODY
        self._missing = 0  # how much of it has still to come

    def feed(self, data: BytesLike) -> list[bytes]:
        """Return every frame that is complete with `data`.

        The call that meets a bad header returns the good frames before it and sets `error`; every later one raises
        it. Raises RuntimeError while the decoder is decoding, and after `detach()`.
        """
        self.push(data)
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the frames of the chunk at hand. Stop anywhere; the next iteration goes on there."""
        return self.frames(sys.maxsize)

    def frames(self, skips: int) -> Iterator[bytes]:
        """Yield the frames of the chunk at hand, but come back when `skips` oversized ones were discarded."""
        self._skips = skips
        header, offset, adjustment = self._header_size, self._offset, self._adjustment
        strip = header if self._strip is None else self._strip
        read_length = self._read_length
        if self._delimiter:
            yield from self._lines()
            return
        while True:
            # The fast lane: whole, good frames behind a fixed header. Everything else is _step()'s.
            if self._state == HEAD and not self._head and read_length is not None:
                data, pos = self._data, self._pos
                size = len(data)
                while (body_at := pos + header) <= size:
                    length = read_length(data, pos + offset)[0] + adjustment
                    end = body_at + length
                    if end > size or length < 0 or length > self._limit or pos + strip > end:
                        break
                    start = pos + strip
                    if end < size:
                        self._header_at = pos
                        self._pos = pos = end
                    else:  # let go of the chunk now: the next frame may be long in coming
                        self._header, self._header_at = data[pos:body_at], -1
                        self._data, self._pos, pos = b"", 0, end
                    yield data[start:end]
                    if self._data is not data or self._pos != pos:
                        break
            frame = self._step()
            if frame is None:
                return
            yield frame

    def _step(self) -> bytes | None:
        """Go on to the next frame or piece; None where the chunk ends, the stream broke or the decoder was detached."""
        self._busy = True
        try:
            return self._step_line() if self._delimiter else self._advance()
        finally:
            self._busy = False

    def _lines(self) -> Iterator[bytes]:
        """Do the same with what ends in a delimiter."""
        frame: bytes | None = b""
        while frame is not None:
            yield from self._whole_lines()
            frame = self._step()
            if frame is not None:
                yield frame

    def _advance(self) -> bytes | None:
        while self._state != HEAD or (self._skips and self._take_header()):
            if self._state == BODY:
                return self._take_body()
            if self._state == STREAM:
                return self._take_piece()
            if self._state != SKIP:
                return None
            self._missing -= len(self._take(self._missing))
            self._skips -= 1
            if not self._leave_frame():
                return None
        return None

    def _leave_frame(self) -> bool:
        """Return to HEAD if the frame in progress is complete."""
        if self._missing:
            return False
        self._state = HEAD
        self._head, self._body = bytearray(), bytearray()
        return True

    def _take_header(self) -> bool:
        """Collect the header and judge it; False while it is incomplete, or bad."""
        if not self._header_size and self._pos == len(self._data) and not self._head:
            return False  # a frame that has no header begins with its body
        while self._state == HEAD:
            if self._ask is not None and self._promised is None and not self._ask_user(self._ask):
                return False
            wanted = self._header_missing()
            if wanted == 0:
                self._judge()
                return self._state != BROKEN
            taken = self._take(wanted)
            if not taken:
                return False
            self._head += taken
            if self._max_varint and len(self._head) > self._offset:
                self._check_varint()
        return False

    def _ask_user(self, read_header: ReadHeader) -> bool:
        """Ask how long header and body are. What was taken and belongs to neither goes back to the chunk."""
        had = len(self._head)
        there = self._data[self._pos : self._pos + self._most_header - had]
        if not there:
            return False
        head, at = bytes(self._head) + there, self._frame_at()
        try:
            self._promised = ask(read_header, head, self._most_header, self._limit, at)
        except FramingError as exc:
            self._break(exc.with_traceback(None))  # its frames know the decoder, which knows it
            head = exc.header
        if self._promised is not None:
            head = head[: self._promised[0]]
        if len(head) < had:  # the function has looked far ahead
            rest = bytes(self._head[len(head) :]) + self._data[self._pos :]
            self._let_go()
            self._data = rest
        else:
            self._take(len(head) - had)
        self._head = bytearray(head)
        return self._promised is not None

    def _header_missing(self) -> int:
        """How many bytes the header certainly lacks: all of a fixed one, the next one of a varint."""
        if self._ask is not None:
            return 1 if self._promised is None else self._promised[0] - len(self._head)
        if not self._max_varint:
            return self._header_size - len(self._head)
        have = len(self._head) - self._offset
        if have <= 0:
            return 1 - have
        return self._head[-1] >> 7

    def _check_varint(self) -> None:
        have = len(self._head) - self._offset
        goes_on = self._head[-1] & 0x80
        if have == self._max_varint and goes_on:
            self._break(verdicts.varint_too_long(self._max_varint, self._limit, *self._place()))
        elif have == 10 and self._head[-1] > 1:
            self._break(verdicts.varint_too_big(self._limit, *self._place()))

    def _place(self) -> tuple[bytes, int, int]:
        """Return what a verdict shows: the header, where in it the length field is, where the frame begins."""
        return bytes(self._head), self._field, self._frame_at()

    def _judge(self) -> None:
        """Decide what becomes of the frame whose header is complete. The order is fixed in the design."""
        limit = self._limit
        length = self._announced() + self._adjustment
        self._promised = None
        if length < 0:
            return self._break(verdicts.negative(length, self._adjustment, limit, *self._place()))
        if length > limit and self._oversize == "error":
            return self._break(verdicts.too_large(length, limit, *self._place()))
        self._begin = self._frame_at()
        self._length = self._missing = length
        if length > limit and self._oversize == "discard":
            self._discarded += 1
            self._state = SKIP
            return None
        if self._strip is not None and self._strip > len(self._head) + length:
            return self._break(verdicts.strip_beyond(self._strip, length, limit, *self._place()))
        self._state = BODY if length <= limit else STREAM
        return None

    def _announced(self) -> int:
        if self._promised is not None:
            return self._promised[1]
        if self._read_length is not None:
            return self._read_length(self._head, self._offset)[0]
        value = 0
        for shift, byte in enumerate(self._head[self._offset :]):
            value |= (byte & 0x7F) << 7 * shift
        return value

    def _take_body(self) -> bytes | None:
        """Return the frame if it is complete, else keep what there is of its body."""
        taken = self._take(self._missing)
        self._missing -= len(taken)
        if self._missing:
            self._body += taken
            return None
        header, body = self._head, self._body
        self._header, self._header_at = bytes(header), -1
        self._leave_frame()
        beyond = 0 if self._strip is None else self._strip - len(header)
        if not (body or beyond):
            return taken
        body += taken
        if beyond < 0:
            body[:0] = header[beyond:]  # in place: a large frame is not held three times
        else:
            del body[:beyond]
        return bytes(body)

    def _take_piece(self) -> bytes | None:
        """Return what has come of a streamed frame; the first piece has what `strip` leaves of the header."""
        done = self._length - self._missing
        taken = self._take(self._missing)
        self._missing -= len(taken)
        if not taken and self._missing:
            return None
        self._header, self._header_at = bytes(self._head), -1
        header_size = len(self._head)
        strip = header_size if self._strip is None else self._strip
        total = header_size + self._length - strip
        if done == 0:
            taken, at = bytes(self._head + taken)[strip:], 0
        else:
            at = done + header_size - strip
            taken, at = taken[max(0, -at) :], max(0, at)
        ended = self._leave_frame()
        return Piece(taken, at, total) if taken or ended else None

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Return a writable buffer for the next bytes of the stream; tell with `buffer_updated()` how many came."""
        sizehint = index(sizehint)
        self._check_open()
        self._scratch = bytearray(min(sizehint, _MAX_READ_SIZE) if sizehint > 0 else _READ_SIZE)
        return memoryview(self._scratch)

    def buffer_updated(self, nbytes: int) -> list[bytes]:
        """Decode the first `nbytes` bytes of the last `get_buffer()`: returns and raises what `feed()` does."""
        nbytes = index(nbytes)  # once, and first: what it is may be asked of the caller's code
        self._check_open()
        scratch = self._scratch
        if scratch is None:
            raise RuntimeError("buffer_updated() without a get_buffer() before it")
        if not 0 <= nbytes <= len(scratch):
            raise ValueError(f"nbytes is {nbytes}, get_buffer() offered {len(scratch)}")
        return self.feed(bytes(memoryview(scratch)[:nbytes]))

    def feed_eof(self) -> None:
        """Say that the stream has ended. Raises FrameTruncated where a frame is unfinished."""
        self._check_open()
        if self.undecoded:
            raise RuntimeError("the decoder has not decoded yet what it was given before")
        if not self.in_frame:
            return
        held = self._held_header()
        came, header = self._came()
        length = None if self._state == HEAD or self._delimiter else self._length
        at = self._begin if self._state != HEAD else self._frame_at()
        self._break(verdicts.truncated(came, length, self._limit, header, self._field, at))
        self._head = held
        assert self._error is not None
        raise self._error

    def detach(self) -> bytes:
        """Hand over the bytes that are not part of a delivered frame, and end."""
        self._check_idle()
        rest = bytes(self._held_header() + self._body + self._data[self._pos :])
        self._state = ENDED
        self._let_go()
        self._head, self._body, self._scratch = bytearray(), bytearray(), None
        return rest

    def __repr__(self) -> str:
        return verdicts.told(self, self._state == ENDED)

    @property
    def buffered(self) -> int:
        """Bytes held: of an unfinished frame, or not decoded yet. 0 between frames."""
        return len(self._held_header()) + len(self._body) + self.undecoded

    def _held_header(self) -> bytearray:
        """Return the header in progress if it is held: not a skipped one, a streamed one until its part leaves."""
        gone = self._state == SKIP
        if self._state == STREAM and not self._delimiter:
            gone = self._missing < self._length or self._strip is None or self._strip >= len(self._head)
        return bytearray() if gone else self._head

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun and isn't complete."""
        return self._state in (BODY, SKIP, STREAM) or (self._state == HEAD and self.buffered > 0)

    @property
    def unfinished(self) -> bool:
        """Whether part of a frame is taken, and not all of it: inside `message_received` none is."""
        return self._state in (BODY, SKIP, STREAM) or (self._state == HEAD and len(self._head) > 0)

    @property
    def progress(self) -> str:
        """What has come of the unfinished frame, in words: its header, how long it is. Nothing between frames."""
        return verdicts.progress(*self._came(), self._field) if self.unfinished else ""

    def _came(self) -> tuple[str, bytes]:
        """Tell what has come of the unfinished frame, and give its header."""
        if self._delimiter:
            return self._came_of_line()
        header = bytes(self._head)
        length, at = (None, self._frame_at()) if self._state == HEAD else (self._length, self._begin)
        return verdicts.came(length, self.wanted, header, self._field, at), header

    @property
    def wanted(self) -> int:
        """Bytes without which the frame in progress can't be complete: of its header, then of its body."""
        if self._delimiter:
            missing = self._line_missing()
        elif self._state == HEAD:
            missing = self._header_missing() or self._fixed
        else:
            missing = self._missing if self._state in (BODY, SKIP, STREAM) else 0
        return max(0, missing - self.undecoded)

    @property
    def discarded(self) -> int:
        """Frames skipped under `oversize="discard"`, each counted once, when its header is complete."""
        return self._discarded

    @property
    def max_frame_length(self) -> int:
        """The limit in force. Setting it counts from the next header on."""
        return self._limit

    @max_frame_length.setter
    def max_frame_length(self, limit: int) -> None:
        self._limit = verdicts.check_limit(limit)
