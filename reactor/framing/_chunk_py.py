"""The chunk at hand, for the pure twin: bytes that came and are not decoded yet. Law: the position only moves on."""

from __future__ import annotations

from ..errors import FramingError
from ._encoder_py import BytesLike

HEAD, BODY, SKIP, STREAM, BROKEN, ENDED = range(6)  # where a decoder is


class Chunk:
    """What a decoder is given, one chunk after the other. Slots, for who keeps many: 2.3 KiB each without, on 3.13."""

    __slots__ = (
        "__weakref__", "_begin", "_busy", "_data", "_error", "_head", "_header", "_header_at", "_header_size", "_pos",
        "_pushed", "_scratch", "_state",
    )  # fmt: skip

    def __init__(self) -> None:
        self._data = b""  # the chunk at hand, decoded up to _pos
        self._pos = 0
        self._pushed = 0  # bytes of the stream seen so far, the chunk at hand included
        self._state = HEAD
        self._head = bytearray()  # header of the frame in progress, or a line
        self._begin = 0  # where the frame in progress begins in the stream, in SKIP and STREAM
        self._header = b""  # of the frame that was handed out last,
        self._header_at, self._header_size = -1, 0  # or where it is in the chunk: cut out when that goes
        self._scratch: bytearray | None = None
        self._busy = False
        self._error: FramingError | None = None

    @property
    def buffered(self) -> int:
        """Bytes held: of an unfinished frame, or not decoded yet. 0 between frames."""
        raise NotImplementedError

    def push(self, data: BytesLike) -> None:
        """Take the next chunk without decoding it: iterate for its frames. Raises what `feed()` raises."""
        self._check_open()
        if self._pos < len(self._data):
            raise RuntimeError("the decoder is still decoding what it was given before")
        if type(data) is not bytes:
            self._busy = True
            try:
                data = memoryview(data).tobytes()
            finally:
                self._busy = False
        self._scratch = None
        self._data = data
        self._pos = 0
        self._pushed += len(data)

    def _take(self, count: int) -> bytes:
        """Move over at most `count` bytes of the frame in progress."""
        start = self._pos
        whole = start == 0 and len(self._data) <= count
        taken = self._data if whole else self._data[start : start + count]
        self._pos = start + len(taken)
        if self._pos == len(self._data):
            self._let_go()
        return taken

    def _let_go(self) -> None:
        """Let go of the chunk at hand, all of which is decoded."""
        if self._header_at >= 0:
            self._header, self._header_at = self.header, -1
        self._data, self._pos = b"", 0

    @property
    def header(self) -> bytes:
        """The header of the frame that was handed out last; inside `message_received` it is that message's."""
        if self._header_at < 0:
            return self._header
        return self._data[self._header_at : self._header_at + self._header_size]

    def _frame_at(self) -> int:
        """Where in the stream the frame in progress begins, while all of it is held."""
        return self._pushed - self.buffered

    def _break(self, error: FramingError) -> None:
        self._error = error
        self._state = BROKEN

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(None)  # or every raise would add to what it holds
        if self._state == ENDED:
            raise RuntimeError("the decoder was detached: its rest was handed over")
        self._check_idle()

    def _check_idle(self) -> None:
        if self._busy:
            raise RuntimeError("the decoder is still decoding what it was given before")

    @property
    def error(self) -> FramingError | None:
        """What broke the stream, or None."""
        return self._error

    @property
    def undecoded(self) -> int:
        """Bytes of the chunk at hand that an iteration has not come to."""
        return len(self._data) - self._pos

    @property
    def stream_offset(self) -> int:
        """Bytes of the stream that are done with; `buffered` more have arrived."""
        return self._pushed - self.buffered
