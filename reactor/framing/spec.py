"""Framing: how a body lies on the wire, as one frozen value. Law: all validation and defaults are here, once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ._codec import BytesLike, Decoder, Encoder
from .verdicts import MAX_OFFSET, check_limit

ByteOrder = Literal["big", "little"]
Oversize = Literal["error", "discard", "stream"]

_OVERSIZE = ("error", "discard", "stream")
_MAX_ADJUSTMENT = 1 << 62  # keeps length + adjustment inside 64 bits in the compiled twin


@dataclass(frozen=True)
class Framing:
    """Describe a length-prefixed wire format, the same in both directions.

    Wire: `[length_field_offset bytes][length field][body]`, body = length + length_adjustment bytes.

    `length_field_length`: 1 to 8 bytes (0 where the length is a varint). `strip`: bytes dropped from the front of a
    delivered frame, None for the whole header. `max_frame_length`: largest body in bytes, inclusive, after the
    adjustment, on decode and on encode. `oversize`: what a decoder does with a larger one: "error" ends the stream,
    "discard" skips it and goes on, "stream" delivers it as `Piece`s. Raises ValueError naming the field.
    """

    length_field_length: int = 4
    byteorder: ByteOrder = "big"
    length_field_offset: int = field(default=0, kw_only=True)
    length_adjustment: int = field(default=0, kw_only=True)
    strip: int | None = field(default=None, kw_only=True)
    max_frame_length: int = field(default=1 << 20, kw_only=True)
    oversize: Oversize = field(default="error", kw_only=True)
    max_varint_bytes: int = field(default=0, kw_only=True)  # for varint(), and for dataclasses.replace()

    @classmethod
    def varint(
        cls,
        *,
        max_varint_bytes: int = 10,
        length_field_offset: int = 0,
        length_adjustment: int = 0,
        strip: int | None = None,
        max_frame_length: int = 1 << 20,
        oversize: Oversize = "error",
    ) -> Framing:
        """Describe a format whose length field is an unsigned LEB128 varint of at most `max_varint_bytes` (1 to 10)."""
        _check_range("max_varint_bytes", max_varint_bytes, 1, 10)
        return _restore(
            cls,
            {
                "length_field_length": 0,
                "byteorder": "little",
                "length_field_offset": length_field_offset,
                "length_adjustment": length_adjustment,
                "strip": strip,
                "max_frame_length": max_frame_length,
                "oversize": oversize,
                "max_varint_bytes": max_varint_bytes,
            },
        )

    def __post_init__(self) -> None:
        if self.max_varint_bytes:
            _check_range("max_varint_bytes", self.max_varint_bytes, 1, 10)
            if self.length_field_length:
                raise TypeError("max_varint_bytes is for Framing.varint()")
        else:
            _check_range("length_field_length", self.length_field_length, 1, 8)
        if self.byteorder not in ("big", "little"):
            raise ValueError(f'byteorder is {self.byteorder!r}, it must be "big" or "little"')
        _check_range("length_field_offset", self.length_field_offset, 0, MAX_OFFSET)
        _check_range("length_adjustment", self.length_adjustment, -_MAX_ADJUSTMENT, _MAX_ADJUSTMENT)
        check_limit(self.max_frame_length)
        if self.oversize not in _OVERSIZE:
            raise ValueError(f"oversize is {self.oversize!r}, it must be one of {', '.join(_OVERSIZE)}")
        self._check_reach()

    def _check_reach(self) -> None:
        """Refuse a tuple under which no frame could pass, whatever limit a decoder is given later."""
        if self.length_field_max + self.length_adjustment < 0:
            raise ValueError(
                f"length_adjustment is {self.length_adjustment}, but the length field holds at most "
                f"{self.length_field_max}: every body would be negative"
            )
        if self.strip is None:
            return
        largest = self.length_field_max + self.length_adjustment
        if self.oversize != "stream":
            largest = min(largest, self.max_frame_length)
        _check_range("strip", self.strip, 0, self.length_field_offset + self._field_bytes + largest)

    @property
    def length_field_max(self) -> int:
        """The largest length that the length field can hold."""
        bits = min(7 * self.max_varint_bytes, 64) if self.max_varint_bytes else 8 * self.length_field_length
        return int((1 << bits) - 1)

    def wire_length(self, message: bytes) -> int:
        """Return how many bytes a delivered message was on the wire; a varint is reckoned in its shortest form."""
        if self.strip is not None:
            return len(message) + self.strip
        length = len(message) - self.length_adjustment
        field_bytes = self.length_field_length or max(1, (length.bit_length() + 6) // 7)
        return self.length_field_offset + field_bytes + len(message)

    @property
    def _field_bytes(self) -> int:
        return self.length_field_length or self.max_varint_bytes

    def decoder(self) -> Decoder:
        """Return a new decoder for one stream of this format."""
        return Decoder(self)

    def encode(self, body: BytesLike, prefix: BytesLike = b"") -> bytes:
        """Return one frame. `prefix` is the `length_field_offset` bytes in front of the length field.

        Raises FrameTooLarge for a body over the limit, or one whose length the field can't hold.
        """
        return self._encoder.encode(body, prefix)

    def encode_many(self, bodies: Iterable[BytesLike]) -> bytes:
        """Return the frames of all bodies, joined. All or nothing: one bad body raises as in `encode`."""
        return self._encoder.encode_many(bodies)

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), {name: getattr(self, name) for name in self.__dataclass_fields__})

    def __repr__(self) -> str:
        kind = "Framing.varint" if self.max_varint_bytes else "Framing"
        hidden = ("length_field_length", "byteorder") if self.max_varint_bytes else ("max_varint_bytes",)
        told = (
            f"{name}={getattr(self, name)!r}"
            for name, spec in self.__dataclass_fields__.items()
            if name not in hidden and getattr(self, name) != spec.default
        )
        return f"{kind}({', '.join(told)})"


def _restore(cls: type[Framing], fields: dict[str, Any]) -> Framing:
    """Build a Framing from all its fields, whatever the constructor of a subclass takes."""
    framing = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(framing, name, value)
    framing.__post_init__()
    return framing


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, it must be an int, {low} to {high}")
