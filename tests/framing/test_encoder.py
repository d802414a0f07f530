"""What the encoder gives beside whole frames: a header alone, and frames that aren't joined. Both twins."""

from __future__ import annotations

import importlib
import itertools
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor import FrameTooLarge, Framing
from reactor._mode import compiled_wanted
from reactor.framing import _codec_py as pure

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


# --- frames that have no length field


def digits(size: int, prefix: bytes) -> Any:
    """A header in decimal: some sizes make one that can't be sent."""
    answers: list[Any] = [b"%d:" % size, prefix, bytearray(b"0:"), memoryview(b"2:"), b"", bytes(9), None, "4:"]
    if size == 9:
        raise ValueError(f"nobody sends {size} after {prefix!r}")
    return answers[size % len(answers)]


def with_digits(**options: Any) -> Framing:
    return Framing.custom(lambda head: (1, 1), digits, max_header_length=8, **options)


DELIMITERS = [b"\n", b"ab", b"aab", b"aaa", b"abababab", b"a" * 16, bytes(range(16))]
PAIRED = [*map(Framing.delimited, DELIMITERS), Framing.delimited(b"ab", max_frame_length=3), with_digits()]
PAIRED += [with_digits(max_frame_length=8), Framing.custom(lambda head: (1, 1), max_header_length=8)]
TEXTS = st.lists(st.sampled_from([b"a", b"b", b"ab", b"\n", bytes(range(15)), b"\x0f"]), max_size=9).map(b"".join)
KINDS = st.sampled_from([bytes, bytearray, memoryview, lambda body: memoryview(body)[::2], repr])


def attempt(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except (TypeError, ValueError) as error:
        return type(error), str(error), {name: each for name, each in vars(error).items() if name != "__cause__"}


@pytest.mark.skipif(compiled_wanted() is False, reason="the compiled twin is barred")
@settings(max_examples=500, deadline=None)
@given(st.sampled_from(PAIRED), st.lists(st.builds(lambda kind, body: kind(body), KINDS, TEXTS), max_size=4), TEXTS)
def test_the_twins_put_the_same_beside_a_body_and_refuse_it_alike(
    framing: Any, bodies: list[Any], front: bytes
) -> None:
    compiled = importlib.import_module("reactor.framing._codec_c")
    one, other = pure.encoder_of(framing), compiled.encoder_of(framing)
    assert type(one).__name__ == type(other).__name__
    for prefix in (b"", front, bytearray(front), "no bytes"):
        for body in bodies:
            assert attempt(one.encode, body, prefix) == attempt(other.encode, body, prefix)
        for size in (len(front), -1, 1 << 70, "5"):
            assert attempt(one.header, size, prefix) == attempt(other.header, size, prefix)
        assert attempt(one.frame, front, prefix) == attempt(other.frame, front, prefix)
    for way in ("encode_many", "parts"):
        assert attempt(getattr(one, way), bodies) == attempt(getattr(other, way), bodies)
        assert attempt(getattr(one, way), 5) == attempt(getattr(other, way), 5)


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_a_line_is_refused_where_its_peer_would_cut_it(codec: ModuleType, delimiter: bytes) -> None:
    encoder = codec.encoder_of(Framing.delimited(delimiter))
    for body in map(bytes, itertools.product(sorted({*delimiter, 0x61}), repeat=min(len(delimiter), 3))):
        at = (body + delimiter).find(delimiter)
        if at == len(body):
            assert encoder.parts([body]) == [body, delimiter]
        else:
            with pytest.raises(ValueError, match=f" at byte {at}: "):
                encoder.parts([body])


def test_a_part_of_a_line_is_the_very_body(codec: ModuleType) -> None:
    body = bytes(100_000)
    assert codec.encoder_of(Framing.delimited()).parts([body])[0] is body
    assert codec.encoder_of(with_digits()).parts([body])[1] is body


def test_a_delimiter_that_was_not_validated_is_refused(codec: ModuleType) -> None:
    framing = Framing.delimited()
    object.__setattr__(framing, "delimiter", bytes(17))
    with pytest.raises(ValueError, match="the delimiter has 17 bytes"):
        codec.encoder_of(framing)
