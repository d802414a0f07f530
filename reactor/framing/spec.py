"""Framing: how a body lies on the wire, as one frozen value. Law: all validation and defaults are here, once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ._codec import BytesLike, Decoder, Encoder, encoder_of
from .custom import ReadHeader, WriteHeader
from .verdicts import MAX_BODY, MAX_DELIMITER, MAX_OFFSET, check_limit

ByteOrder = Literal["big", "little"]
Oversize = Literal["error", "discard", "stream"]

_NAMES = {"fixed_length": "size"}  # in the constructor that takes it
_OVERSIZE = ("error", "discard", "stream")
_MAX_ADJUSTMENT = 1 << 62  # keeps length + adjustment inside 64 bits in the compiled twin


@dataclass(frozen=True)
class Framing:
    """Describe a wire format, the same in both directions: length-prefixed, or as its other constructors say.

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
    # For the other constructors, and for dataclasses.replace(). One of them is set, or a length field's bytes are.
    max_varint_bytes: int = field(default=0, kw_only=True)
    fixed_length: int = field(default=0, kw_only=True)
    delimiter: bytes = field(default=b"", kw_only=True)
    keep: bool = field(default=False, kw_only=True)
    read_header: ReadHeader | None = field(default=None, kw_only=True)
    write_header: WriteHeader | None = field(default=None, kw_only=True)
    max_header_length: int = field(default=0, kw_only=True)

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

    @classmethod
    def fixed(cls, size: int) -> Framing:
        """Describe frames of exactly `size` bytes without a header: a handshake, a record."""
        _check_range("size", size, 1, MAX_BODY)
        fields = {"fixed_length": size, "length_adjustment": size, "max_frame_length": size}
        return _restore(cls, {"length_field_length": 0, **fields})

    @classmethod
    def delimited(
        cls,
        delimiter: bytes = b"\n",
        *,
        keep: bool = False,
        max_frame_length: int = 1 << 20,
        oversize: Oversize = "error",
    ) -> Framing:
        """Describe frames that end in a delimiter of 1 to 16 bytes, as lines do.

        `keep`: deliver it with the frame. `max_frame_length` doesn't count it. `encode` appends it, and refuses a body
        that contains it. Pieces of a streamed frame have no `length` before the last one.
        """
        if not isinstance(delimiter, bytes) or not 1 <= len(delimiter) <= MAX_DELIMITER:
            raise ValueError(f"delimiter is {delimiter!r}, it must be 1 to {MAX_DELIMITER} bytes")
        fields = {"delimiter": delimiter, "keep": keep, "max_frame_length": max_frame_length, "oversize": oversize}
        return _restore(cls, {"length_field_length": 0, **fields})

    @classmethod
    def custom(
        cls,
        read_header: ReadHeader,
        write_header: WriteHeader | None = None,
        *,
        max_header_length: int,
        strip: int | None = None,
        max_frame_length: int = 1 << 20,
        oversize: Oversize = "error",
    ) -> Framing:
        """Describe a format whose header a function reads.

        `read_header(head)` is given what has come of the frame, at most `max_header_length` bytes. It returns
        `(header bytes, body bytes)`; None while it can't tell; it raises ValueError, or a FramingError of its own, as
        soon as no frame can begin so. What it says of a beginning it must say of all that goes on from there.
        `write_header(size, prefix)` returns the header of a body of `size` bytes; without it nothing can be sent.
        """
        if not callable(read_header):
            raise TypeError(f"read_header is {read_header!r}, it must be callable")
        fields = {
            "read_header": read_header,
            "write_header": write_header,
            "max_header_length": max_header_length,
            "strip": strip,
            "max_frame_length": max_frame_length,
            "oversize": oversize,
        }
        return _restore(cls, {"length_field_length": 0, **fields})

    def __post_init__(self) -> None:
        self._check_kind()
        if self.byteorder not in ("big", "little"):
            raise ValueError(f'byteorder is {self.byteorder!r}, it must be "big" or "little"')
        _check_range("length_field_offset", self.length_field_offset, 0, MAX_OFFSET)
        _check_range("length_adjustment", self.length_adjustment, -_MAX_ADJUSTMENT, _MAX_ADJUSTMENT)
        check_limit(self.max_frame_length)
        if type(self.keep) is not bool:
            raise ValueError(f"keep is {self.keep!r}, it must be True or False")
        if self.oversize not in _OVERSIZE:
            raise ValueError(f"oversize is {self.oversize!r}, it must be one of {', '.join(_OVERSIZE)}")
        self._check_reach()

    def _check_kind(self) -> None:
        """Refuse what belongs to another constructor than the one that was called."""
        others = (self.max_varint_bytes, self.fixed_length, self.delimiter, self.read_header)
        if not any(others):
            _check_range("length_field_length", self.length_field_length, 1, 8)
        elif self.length_field_length or sum(map(bool, others)) > 1:
            raise TypeError(
                "max_varint_bytes is for Framing.varint(), fixed_length for fixed(), delimiter for delimited(), "
                "read_header for custom(), each alone and without a length field"
            )
        if self.fixed_length and self.length_adjustment != self.fixed_length:
            raise TypeError("length_adjustment is the size of a frame in Framing.fixed(): it can't be another")
        if self.max_varint_bytes:
            _check_range("max_varint_bytes", self.max_varint_bytes, 1, 10)
        if self.read_header is not None:
            _check_range("max_header_length", self.max_header_length, 1, MAX_OFFSET)
            if self.write_header is not None and not callable(self.write_header):
                raise TypeError(f"write_header is {self.write_header!r}, it must be callable or None")

    def _check_reach(self) -> None:
        """Refuse a tuple under which no frame could pass, whatever limit a decoder is given later."""
        if self.length_field_max + self.length_adjustment < 0:
            raise ValueError(
                f"length_adjustment is {self.length_adjustment}, but the length field holds at most "
                f"{self.length_field_max}: every body would be negative"
            )
        if self.strip is None:
            return
        largest = MAX_BODY if self.read_header else self.length_field_max + self.length_adjustment
        if self.oversize != "stream":
            largest = min(largest, self.max_frame_length)
        _check_range("strip", self.strip, 0, self.length_field_offset + self._field_bytes + largest)

    @property
    def length_field_max(self) -> int:
        """The largest length that the length field can hold."""
        bits = min(7 * self.max_varint_bytes, 64) if self.max_varint_bytes else 8 * self.length_field_length
        return int((1 << bits) - 1)

    def wire_length(self, message: bytes) -> int:
        """Return how many bytes a delivered message was on the wire; of a header in its shortest form."""
        if self.strip is not None:
            return len(message) + self.strip
        if self.delimiter:
            return len(message) + (0 if self.keep else len(self.delimiter))
        bits = (len(message) - self.length_adjustment).bit_length() if self.max_varint_bytes else 0
        field_bytes = max(1, (bits + 6) // 7) if self.max_varint_bytes else self.length_field_length
        return self.length_field_offset + field_bytes + len(message)

    @property
    def _field_bytes(self) -> int:
        return self.length_field_length or self.max_varint_bytes or self.max_header_length

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

    def header(self, size: int, prefix: BytesLike = b"") -> bytes:
        """Return what stands in front of a body of `size` bytes, which is then written in parts.

        Raises what `encode()` raises. A delimiter's frame has nothing in front; write it behind.
        """
        return self._encoder.header(size, prefix)

    @cached_property
    def _encoder(self) -> Encoder:
        return encoder_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), {name: getattr(self, name) for name in self.__dataclass_fields__})

    def __repr__(self) -> str:
        kind, hidden = self._kind()
        told = (
            f"{_NAMES.get(name, name)}={_shown(getattr(self, name))}"
            for name, spec in self.__dataclass_fields__.items()
            if name not in hidden and getattr(self, name) != spec.default
        )
        return f"{kind}({', '.join(told)})"

    def _kind(self) -> tuple[str, tuple[str, ...]]:
        """Return the constructor's name, and the fields that it doesn't take."""
        if self.max_varint_bytes:
            return "Framing.varint", ("length_field_length", "byteorder")
        if self.fixed_length:
            return "Framing.fixed", ("length_field_length", "length_adjustment", "max_frame_length")
        if self.delimiter:
            return "Framing.delimited", ("length_field_length",)
        return ("Framing.custom", ("length_field_length",)) if self.read_header else ("Framing", ("max_varint_bytes",))


def _shown(value: object) -> str:
    """Show a function by its name, whose place in memory tells nobody anything."""
    return getattr(value, "__qualname__", None) or repr(value)


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
