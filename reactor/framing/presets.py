"""Framings by the name of what they are for. Law: each says in one call what its numbers would hide."""

from __future__ import annotations

from typing import Literal

from .spec import ByteOrder, Framing


def length_includes_header(
    length_field_length: int = 4,
    byteorder: ByteOrder = "big",
    *,
    length_field_offset: int = 0,
    max_frame_length: int = 1 << 20,
) -> Framing:
    """Return a framing whose length counts the whole frame: what is in front of it and the field itself, too."""
    return Framing(
        length_field_length,
        byteorder,
        length_field_offset=length_field_offset,
        length_adjustment=-(length_field_offset + length_field_length),
        max_frame_length=max_frame_length,
    )


def protobuf(*, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of protobuf's delimited messages: `writeDelimitedTo`, `serialize_length_prefixed`."""
    return Framing.varint(max_frame_length=max_frame_length)


def erlang(packet: Literal[1, 2, 4] = 4, *, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of a `gen_tcp` socket with `{packet, 1|2|4}`."""
    if packet not in (1, 2, 4):
        raise ValueError(f"packet is {packet!r}, it must be 1, 2 or 4")
    return Framing(packet, max_frame_length=max_frame_length)


def grpc(*, max_frame_length: int = 4 << 20) -> Framing:
    """Return the framing of gRPC's messages: a flag byte, then the length; 4 MiB is gRPC's own limit.

    Nothing is stripped, since the flag tells whether the body is compressed: a message is `flag, length, body`, its
    body begins at byte 5. Send with `prefix=b"\\0"`, or `b"\\1"` for a compressed one.
    """
    return Framing(4, length_field_offset=1, strip=0, max_frame_length=max_frame_length)


def kafka(*, max_frame_length: int = 100 << 20) -> Framing:
    """Return the framing of Kafka's requests and answers; 100 MiB is a broker's own limit."""
    return Framing(4, max_frame_length=max_frame_length)
