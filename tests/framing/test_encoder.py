"""What the encoder gives beside whole frames: a header alone, and frames that aren't joined. Both twins."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from reactor import FrameTooLarge, Framing

FRAMINGS = [
    Framing(),
    Framing(2, "little"),
    Framing.varint(),
    Framing(1, length_adjustment=-1),
    Framing(3, length_field_offset=2),
]
BODIES: list[Any] = [b"", b"x" * 200, bytearray(b"changeable"), memoryview(b"view")]


def prefix_for(framing: Framing) -> bytes:
    return b"?" * framing.length_field_offset


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("body", BODIES)
def test_a_header_and_its_body_are_the_frame(codec: ModuleType, framing: Framing, body: Any) -> None:
    encoder, prefix = codec.Encoder(framing), prefix_for(framing)
    assert encoder.header(len(body), prefix) + bytes(body) == encoder.encode(body, prefix)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_header_is_refused_as_its_frame_would_be(codec: ModuleType, framing: Framing) -> None:
    encoder = codec.Encoder(framing)
    size = min(framing.max_frame_length, framing.length_field_max + framing.length_adjustment) + 1
    with pytest.raises(FrameTooLarge) as header:
        encoder.header(size, prefix_for(framing))
    with pytest.raises(FrameTooLarge) as frame:
        encoder.encode(bytes(size), prefix_for(framing))
    assert str(header.value) == str(frame.value)


class Shifty:
    """A size that is another one each time it is asked."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)

    def __index__(self) -> int:
        return self.sizes.pop(0)


def test_a_size_is_asked_for_once(codec: ModuleType) -> None:
    assert codec.Encoder(Framing.varint()).header(Shifty(5, 1 << 60)) == b"\5"  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1 << 80, -(1 << 80), -1])
def test_a_size_that_no_body_has_is_refused_in_the_same_words(codec: ModuleType, size: int) -> None:
    with pytest.raises(FrameTooLarge, match=f"^body of {size} bytes to send"):
        codec.Encoder(Framing()).header(size)


def test_a_header_needs_its_prefix(codec: ModuleType) -> None:
    with pytest.raises(ValueError, match="prefix"):
        codec.Encoder(Framing(length_field_offset=2)).header(5)


@pytest.mark.parametrize("framing", FRAMINGS[:4])
@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_parts_are_the_frames_unjoined(codec: ModuleType, framing: Framing, kind: Any) -> None:
    encoder = codec.Encoder(framing)
    parts = encoder.parts(kind(BODIES))
    assert b"".join(parts) == encoder.encode_many(BODIES)
    assert all(type(part) is bytes for part in parts)


def test_a_part_is_the_very_body(codec: ModuleType) -> None:
    body = bytes(100_000)
    assert codec.Encoder(Framing()).parts([body])[1] is body


def test_parts_of_bodies_that_can_not_be_sent_are_refused(codec: ModuleType) -> None:
    with pytest.raises(FrameTooLarge):
        codec.Encoder(Framing(max_frame_length=3)).parts([b"abc", b"abcd"])
    with pytest.raises(ValueError, match="prefix"):
        codec.Encoder(Framing(length_field_offset=2)).parts([b"abc"])


def test_a_list_is_made_before_anything_is_judged(codec: ModuleType) -> None:
    def bodies() -> Any:
        yield b"too large"
        raise KeyError("the generator's own")

    for way in ("encode_many", "parts"):
        with pytest.raises(KeyError, match="own"):
            getattr(codec.Encoder(Framing(max_frame_length=3)), way)(bodies())
