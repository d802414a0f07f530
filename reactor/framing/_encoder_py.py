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
        self._pack = length_writer(framing)

    def encode(self, body: BytesLike, prefix: BytesLike = b"") -> bytes:
        """Return one frame."""
        body = as_bytes(body)
        return self.header(len(body), prefix) + body

    def header(self, size: int, prefix: BytesLike = b"") -> bytes:
        """Return what stands in front of a body of `size` bytes."""
        size, prefix = index(size), as_bytes(prefix)
        if len(prefix) != self._offset:
            raise verdicts.wrong_prefix(len(prefix), self._offset)
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
            body = as_bytes(item)
            parts += (self.header(len(body)), body)
        return parts


def as_bytes(data: BytesLike) -> bytes:
    """Return bytes that nobody can change."""
    return data if type(data) is bytes else memoryview(data).tobytes()
