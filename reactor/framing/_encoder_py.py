"""The encoding half of the pure twin. Law: nothing is truncated, ever: what a field can't hold is refused."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, TypeAlias

from . import verdicts
from ._fields_py import length_writer

if TYPE_CHECKING:
    from .spec import Framing

BytesLike: TypeAlias = "bytes | bytearray | memoryview"


class Encoder:
    """Put headers in front of bodies: `Framing.encode` and `encode_many`."""

    def __init__(self, framing: Framing) -> None:
        self._limit = verdicts.check_limit(framing.max_frame_length)
        self._offset = framing.length_field_offset
        self._adjustment = framing.length_adjustment
        self._field_max = framing.length_field_max
        self._fixed = framing.fixed_length
        self._pack = length_writer(framing)

    def encode(self, body: BytesLike, prefix: BytesLike = b"") -> bytes:
        """Return one frame."""
        return b"".join(self.frame(as_bytes(body), prefix))

    def frame(self, body: bytes, prefix: BytesLike = b"") -> tuple[bytes, bytes]:
        """Return one frame, not joined."""
        return self.header(len(body), prefix), body

    def header(self, size: int, prefix: BytesLike = b"") -> bytes:
        """Return what stands in front of a body of `size` bytes."""
        size, prefix = index(size), as_bytes(prefix)
        if len(prefix) != self._offset:
            raise verdicts.wrong_prefix(len(prefix), self._offset)
        if self._fixed and size != self._fixed:
            raise verdicts.wrong_size(size, self._fixed)
        if size > self._limit:
            raise verdicts.body_over_limit(size, self._limit)
        length = size - self._adjustment
        if not 0 <= length <= self._field_max:
            raise verdicts.body_over_field(size, self._adjustment, self._field_max, self._limit)
        return prefix + self._pack(length)

    def encode_many(self, bodies: Iterable[BytesLike]) -> bytes:
        """Return the frames of all bodies, joined."""
        return b"".join(self.parts(bodies))

    def parts(self, bodies: Iterable[BytesLike]) -> list[bytes]:
        """Return the frames of all bodies, not joined: each header, and each body as it is."""
        if self._offset:
            raise verdicts.wrong_prefix(0, self._offset)
        parts: list[bytes] = []
        for item in list(bodies):
            parts += self.frame(as_bytes(item))
        return parts


class DelimitedEncoder(Encoder):
    """Put a delimiter behind bodies."""

    def __init__(self, framing: Framing) -> None:
        super().__init__(framing)
        self._delimiter = framing.delimiter
        verdicts.check_layout(0, 0, 0, len(self._delimiter), 0)

    def frame(self, body: bytes, prefix: BytesLike = b"") -> tuple[bytes, bytes]:
        """Return one frame, not joined."""
        self.header(len(body), prefix)
        at = body.find(self._delimiter)
        if at < 0:  # the end of the body may make one with the beginning of the delimiter
            edge = max(0, len(body) + 1 - len(self._delimiter))
            at = edge + (body[edge:] + self._delimiter).find(self._delimiter)
        if at < len(body):  # they would be taken for more than one frame
            raise verdicts.delimiter_inside(at, self._delimiter)
        return body, self._delimiter

    def header(self, size: int, prefix: BytesLike = b"") -> bytes:
        """Return nothing, which is what stands in front of a body."""
        size, prefix = index(size), as_bytes(prefix)
        if prefix:
            raise verdicts.wrong_prefix(len(prefix), 0)
        if size > self._limit:
            raise verdicts.body_over_limit(size, self._limit)
        return b""


class CustomEncoder(Encoder):
    """Put headers in front of bodies that a function of the user's writes."""

    def __init__(self, framing: Framing) -> None:
        super().__init__(framing)
        self._write_header, self._most = framing.write_header, framing.max_header_length

    def header(self, size: int, prefix: BytesLike = b"") -> bytes:
        """Return what the function makes of size and prefix."""
        size, prefix = index(size), as_bytes(prefix)
        if size > self._limit:
            raise verdicts.body_over_limit(size, self._limit)
        if self._write_header is None:
            raise TypeError("Framing.custom() was given no write_header: nothing can be sent with it")
        header = as_bytes(self._write_header(size, prefix))
        if len(header) > self._most:
            raise ValueError(f"write_header returned {len(header)} bytes, max_header_length is {self._most}")
        return header


def encoder_of(framing: Framing) -> Encoder:
    """Return what encodes for a framing."""
    if framing.delimiter:
        return DelimitedEncoder(framing)
    return CustomEncoder(framing) if framing.read_header else Encoder(framing)


def as_bytes(data: BytesLike) -> bytes:
    """Return bytes that nobody can change."""
    return data if type(data) is bytes else memoryview(data).tobytes()
