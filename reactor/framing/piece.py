"""Piece: a part of a streamed frame. Law: it is its bytes; what else is known hangs on it."""

from __future__ import annotations


class Piece(bytes):
    """A part of a frame that is over the limit, under `oversize="stream"`.

    It is the `bytes` themselves. `length`: bytes of the whole frame as it is delivered (after `strip`), known from
    the first piece on; None where a delimiter ends it, up to the last piece. `offset`: where in it this piece begins.
    `last`: whether it ends the frame. How a frame falls into pieces depends on how it arrived; joined they are always
    the frame.
    """

    length: int | None
    offset: int

    def __new__(cls, data: bytes | memoryview, offset: int, length: int | None) -> Piece:
        piece = super().__new__(cls, data)
        piece.offset = offset
        piece.length = length
        return piece

    def __getnewargs__(self) -> tuple[bytes, int, int | None]:  # type: ignore[override]
        return bytes(self), self.offset, self.length

    @property
    def last(self) -> bool:
        """Whether the frame ends with this piece."""
        return self.offset + len(self) == self.length
