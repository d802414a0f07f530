"""Frames that end in a delimiter, for the pure twin. Law: each byte is looked at once, however the stream is cut.

`HEAD` collects a line. One that is too long goes to `SKIP` or `STREAM`, where no more is held of it than a beginning
of the delimiter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import verdicts
from ._chunk_py import HEAD, SKIP, STREAM, Chunk
from .piece import Piece

if TYPE_CHECKING:
    from .spec import Framing


class Lines(Chunk):
    """What of a decoder knows delimiters."""

    __slots__ = (
        "_begins", "_delimiter", "_discarded", "_keep", "_length", "_limit", "_line_limit", "_oversize", "_skips",
    )  # fmt: skip

    def __init__(self, framing: Framing) -> None:
        super().__init__()
        self._delimiter, self._keep = framing.delimiter, framing.keep
        self._oversize = framing.oversize
        self._limit = self._line_limit = verdicts.check_limit(framing.max_frame_length)  # of the next, of this one
        self._begins = b""  # of a line that is longer
        self._length = 0  # bytes of a body in progress, or of a streamed line that were handed out
        self._skips = 0  # how many frames may still be discarded in one go
        self._discarded = 0

    def _whole_lines(self) -> Iterator[bytes]:
        """Yield the lines that lie in the chunk whole."""
        delimiter = self._delimiter
        while self._state == HEAD and not self._head:
            data, pos = self._data, self._pos
            end = data.find(delimiter, pos, pos + self._limit + len(delimiter))
            if end < 0:
                return
            self._pos = end + len(delimiter)
            if self._pos == len(data):
                self._data, self._pos = b"", 0  # let go of it now: the next line may be long in coming
            yield data[pos : end + len(delimiter) if self._keep else end]

    def _step_line(self) -> bytes | None:
        """Go on to the next line or piece; None where the chunk ends or the stream broke."""
        frame = None
        while frame is None and self._pos < len(self._data) and (self._state != HEAD or self._skips):
            if self._state == HEAD:
                frame = self._take_line()
            elif self._state in (SKIP, STREAM):
                frame = self._pass_line()
            else:
                return None
        return frame

    def _take_line(self) -> bytes | None:
        """Return the line in progress if it ends in the chunk, else keep what there is of it."""
        if not self._head:
            self._line_limit = self._limit
        room = self._line_limit + len(self._delimiter) - len(self._head)
        self._head += self._take(self._to_end(room))
        if not self._head.endswith(self._delimiter):
            return self._judge_line() if len(self._head) == self._line_limit + len(self._delimiter) else None
        line = bytes(self._head if self._keep else self._head[: -len(self._delimiter)])
        self._head = bytearray()
        return line

    def _to_end(self, room: int) -> int:
        """Return how many bytes of the chunk go on to the line's end, or as many as there are: `room` at most."""
        data, pos, size = self._data, self._pos, len(self._delimiter)
        before = self._head[-(size - 1) :] if size > 1 else b""
        if before:
            cut = (before + data[pos : pos + min(size - 1, room)]).find(self._delimiter)
            if cut >= 0:
                return cut + size - len(before)
        found = data.find(self._delimiter, pos, pos + room)
        return found + size - pos if found >= 0 else min(room, len(data) - pos)

    def _judge_line(self) -> bytes | None:
        """Decide what becomes of a line that is longer than the limit, whatever follows."""
        begins, at = bytes(self._head[: verdicts.SHOWN]), self._frame_at()
        if self._oversize == "error":
            self._break(verdicts.undelimited(self._line_limit, self._delimiter, begins, at))
            return None
        self._begin, self._begins, self._length = at, begins, 0
        self._discarded += self._oversize == "discard"
        self._state = SKIP if self._oversize == "discard" else STREAM
        return self._hand_on(bytes(self._head), ended=False)

    def _pass_line(self) -> bytes | None:
        """Skip the line in progress, or return what has come of it."""
        taken = bytes(self._head) + self._take(self._to_end(sys.maxsize))
        return self._hand_on(taken, ended=taken.endswith(self._delimiter))

    def _hand_on(self, taken: bytes, ended: bool) -> bytes | None:
        """Return a piece of a streamed line, nothing of a skipped one; keep what may begin the delimiter."""
        held = len(self._delimiter) if ended else begun(self._delimiter, taken)
        self._head = bytearray() if ended else bytearray(taken[len(taken) - held :])
        was, self._state = self._state, HEAD if ended else self._state
        if was == SKIP:
            self._skips -= ended
            return None
        body = taken if ended and self._keep else taken[: len(taken) - held]
        at, self._length = self._length, self._length + len(body)
        return Piece(body, at, self._length if ended else None) if body or ended else None

    def _line_missing(self) -> int:
        """How many bytes the line in progress certainly lacks."""
        return len(self._delimiter) - begun(self._delimiter, self._head)

    def _came_of_line(self) -> tuple[str, bytes]:
        """Tell what has come of the line in progress, and how it begins."""
        begins, at = self._begins, self._begin
        if self._state == HEAD:
            begins, at = bytes(self._head[: verdicts.SHOWN]), self._frame_at()
        count = self._pushed - (len(self._data) - self._pos) - at
        return verdicts.came_undelimited(count, self._delimiter, begins, at), begins


def begun(delimiter: bytes, data: bytes | bytearray) -> int:
    """Return how many bytes at the end of `data` may be the beginning of a delimiter that isn't complete."""
    for size in range(min(len(delimiter) - 1, len(data)), 0, -1):
        if data.endswith(delimiter[:size]):
            return size
    return 0
