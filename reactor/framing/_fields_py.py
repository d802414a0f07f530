"""Length fields, read and written, for the pure twin. Law: numbers to bytes and back; nothing is judged here."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .spec import Framing

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def length_reader(framing: Framing) -> Callable[[bytes | bytearray, int], tuple[int, ...]] | None:
    """Return what reads a fixed length field at an offset, as struct does it: into a tuple. No field is a 0."""
    width, order = framing.length_field_length, framing.byteorder
    if framing.fixed_length:
        return lambda data, at: (0,)
    if not width:
        return None
    if width in _FORMATS:
        return struct.Struct(("<" if order == "little" else ">") + _FORMATS[width]).unpack_from
    return lambda data, at: (int.from_bytes(data[at : at + width], order),)


def length_writer(framing: Framing) -> Callable[[int], bytes]:
    width, order = framing.length_field_length, framing.byteorder
    return _encode_varint if framing.max_varint_bytes else lambda length: length.to_bytes(width, order)


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
