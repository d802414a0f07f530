"""What is wrong with a frame, said once for both twins. Law: it depends on the header, never on what follows.

`header` is what there is of it, `field` where in it the length field begins, which texts mark: -1 where none is known.
`offset` is the frame's place in the stream.
"""

from __future__ import annotations

import sys
from typing import Any

from ..errors import FrameCorrupt, FrameTooLarge, FrameTruncated

MAX_LENGTH = 1 << 62  # no length is more: sums stay within 63 bits in both twins
MAX_OFFSET = 1 << 20  # a header is held whole: no known protocol has more than a few dozen bytes before a length
MAX_DELIMITER = 16
# A frame is one object with its header, 1 MiB at most, and what Python adds: on 32 bits that bounds every limit.
MAX_BODY = min(MAX_LENGTH, sys.maxsize - (1 << 21))
SHOWN = 64  # bytes of a header that a text shows: enough for any length field, and for what is in front of most

_METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE", b"PRI ", b"HTTP")


def too_large(length: int, limit: int, header: bytes, field: int, offset: int) -> FrameTooLarge:
    text = f"body of {length} bytes announced by {_describe(header, field, offset)}, max_frame_length is {limit}"
    return FrameTooLarge(text + _hint(header, field), length, limit, header, offset)


def negative(length: int, adjustment: int, limit: int, header: bytes, field: int, offset: int) -> FrameCorrupt:
    text = (
        f"body of {length} bytes announced by {_describe(header, field, offset)}: "
        f"length {length - adjustment} and length_adjustment {adjustment}{_hint(header, field)}"
    )
    return FrameCorrupt(text, length, limit, header, offset)


def strip_beyond(strip: int, length: int, limit: int, header: bytes, field: int, offset: int) -> FrameCorrupt:
    total, what = len(header) + length, _describe(header, field, offset)
    text = f"frame of {total} bytes announced by {what} is shorter than strip, which is {strip}"
    return FrameCorrupt(text + _hint(header, field), length, limit, header, offset)


def varint_too_long(max_bytes: int, limit: int, header: bytes, field: int, offset: int) -> FrameCorrupt:
    what = _describe(header, field, offset)
    text = f"varint goes on after max_varint_bytes, which is {max_bytes}, in {what}{_hint(header, field)}"
    return FrameCorrupt(text, None, limit, header, offset)


def varint_too_big(limit: int, header: bytes, field: int, offset: int) -> FrameCorrupt:
    text = f"varint of 2**64 or more in {_describe(header, field, offset)}{_hint(header, field)}"
    return FrameCorrupt(text, None, limit, header, offset)


def header_refused(reason: str, limit: int, header: bytes, offset: int) -> FrameCorrupt:
    text = f"{reason}: {_describe(header, -1, offset)}{_hint(header, -1)}"
    return FrameCorrupt(text, None, limit, header, offset)


def undelimited(limit: int, delimiter: bytes, begins: bytes, offset: int) -> FrameTooLarge:
    what = _line(begins, offset)
    text = f"body of more than {limit} bytes without its delimiter {delimiter!r}, {what}, max_frame_length is {limit}"
    return FrameTooLarge(text + _hint(begins, -1), None, limit, begins, offset)


def truncated(came: str, length: int | None, limit: int, header: bytes, field: int, offset: int) -> FrameTruncated:
    text = f"stream ended inside a frame: {came}; the peer closed too early"
    return FrameTruncated(text + _hint(header, field), length, limit, header, offset)


def progress(came: str, header: bytes, field: int) -> str:
    """Tell what has come of a frame, and what that looks like."""
    return came + _hint(header, field)


def came(length: int | None, missing: int, header: bytes, field: int, offset: int) -> str:
    """Tell what has come of a frame; `length` is None while its header is incomplete."""
    if length is None:
        return f"{_describe(header, field, offset)} is incomplete, {missing} or more bytes missing"
    return f"{length - missing} of {length} bytes of the body came after {_describe(header, field, offset)}"


def came_undelimited(count: int, delimiter: bytes, begins: bytes, offset: int) -> str:
    """Tell the same of a frame that ends in a delimiter."""
    return f"{count} bytes came without the delimiter {delimiter!r}, {_line(begins, offset)}"


def body_over_limit(length: int, limit: int) -> FrameTooLarge:
    return FrameTooLarge(f"body of {length} bytes to send, max_frame_length is {limit}", length, limit)


def body_over_field(length: int, adjustment: int, field_max: int, limit: int) -> FrameTooLarge:
    text = (
        f"body of {length} bytes to send needs a length of {length - adjustment} with length_adjustment {adjustment}, "
        f"the length field holds 0 to {field_max}"
    )
    return FrameTooLarge(text, length, limit)


def told(decoder: Any, detached: bool) -> str:
    """Return what a person wants to know of a decoder, for its repr."""
    if detached:
        return "<Decoder detached>"
    sizes = {name: getattr(decoder, name) for name in ("stream_offset", "buffered", "wanted", "discarded")}
    broken = f" {decoder.error!r}" if decoder.error is not None else ""
    return f"<Decoder {' '.join(f'{name}={size}' for name, size in sizes.items())}{broken}>"


def check_limit(limit: object) -> int:
    """Return the limit that `max_frame_length` means."""
    number = int.__index__(limit) if isinstance(limit, int) else -1  # whatever a subclass says of it
    if number < 0 or isinstance(limit, bool):
        raise ValueError(f"max_frame_length is {limit!r}, it must be an int, 0 or more")
    return min(number, MAX_BODY)


def check_layout(offset: int, width: int, varint: int, delimiter: int, reads: int) -> None:
    """Refuse a header that no validated Framing has: a subclass may have overridden `__post_init__`."""
    good = 0 <= offset <= MAX_OFFSET and 0 <= width <= 8 and 0 <= varint <= 10
    if not (good and 0 <= delimiter <= MAX_DELIMITER and 0 <= reads <= MAX_OFFSET):
        raise ValueError(
            f"length_field_offset is {offset}, length_field_length {width}, max_varint_bytes {varint}, the delimiter "
            f"has {delimiter} bytes, max_header_length is {reads}: this Framing was not validated; call "
            "super().__post_init__() in its class"
        )


def wrong_prefix(length: int, wanted: int) -> ValueError:
    return ValueError(f"prefix has {length} bytes, length_field_offset is {wanted}")


def wrong_size(size: int, wanted: int) -> ValueError:
    text = f"body of {size} bytes to send, a frame of Framing.fixed({wanted}) has exactly {wanted}"
    return FrameTooLarge(text, size, wanted) if size > wanted else ValueError(text)


def delimiter_inside(at: int, delimiter: bytes) -> ValueError:
    return ValueError(f"body has the delimiter {delimiter!r} at byte {at}: the peer would take it for two frames")


def _describe(header: bytes, field: int, offset: int) -> str:
    """Show a header, its length field in brackets where something is in front of it."""
    if not header:
        return f"no header at stream offset {offset}"
    at = min(max(field, 0), SHOWN)
    front, rest = header[:at], header[at:SHOWN]
    shown = f"{front.hex(' ')} [{rest.hex(' ')}]" if front and rest else (front or rest).hex(" ")
    more = "…" if len(header) > SHOWN else ""
    return f"header {shown}{more} '{_printable(header)}{more}' at stream offset {offset}"


def _line(begins: bytes, offset: int) -> str:
    """Show how a frame begins that has no header."""
    more = "…" if len(begins) == SHOWN else ""
    return f"beginning {begins.hex(' ')}{more} '{_printable(begins)}{more}' at stream offset {offset}"


def _printable(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[:SHOWN])


def _hint(header: bytes, field: int) -> str:
    """Name the protocol that the header looks like, if it looks like one. What has no length field may well be text."""
    if header[:2] == b"\x16\x03":
        return "; this looks like TLS: does the peer speak TLS to a plain port?"
    if field < 0:
        return ""
    if len(header) > 2 and any(header.startswith(method[: len(header)]) for method in _METHODS):
        return "; this looks like HTTP: is the peer at the wrong port?"
    if len(header) > 1 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in header):
        return "; this looks like text: is the peer speaking this protocol?"
    return ""
