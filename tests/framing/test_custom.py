"""Headers that a function reads: what it may say, when it is asked, and that it keeps every promise of the others."""

from __future__ import annotations

import pickle
import struct
from types import ModuleType
from typing import Any

import pytest

from reactor import FrameCorrupt, FrameTooLarge, FrameTruncated, Framing, FramingError
from reactor.testing import cuts


def digits(head: bytes) -> tuple[int, int] | None:
    """The length in decimal, and a colon."""
    at = head.find(b":")
    return None if at < 0 else (at + 1, int(head[:at]))


def write_digits(size: int, prefix: bytes) -> bytes:
    return b"%d:" % size


def with_magic(head: bytes) -> tuple[int, int] | None:
    """`OK` and a byte: what begins otherwise is refused with the first byte that can't be right."""
    if not b"OK".startswith(head[:2]):
        raise ValueError("no frame begins so")
    return (3, head[2]) if len(head) > 2 else None


DIGITS = Framing.custom(digits, write_digits, max_header_length=4)


def run(codec: ModuleType, framing: Framing, chunks: list[bytes]) -> tuple[list[bytes], Any]:
    decoder = codec.Decoder(framing)
    frames: list[bytes] = []
    for chunk in chunks:
        frames += decoder.feed(chunk)
        if decoder.error is not None:
            break
    return frames, decoder


def test_a_frame_is_what_the_function_says(codec: ModuleType) -> None:
    for chunks in cuts(b"5:hello0:12:twelve bytes"):
        frames, decoder = run(codec, DIGITS, chunks)
        assert frames == [b"hello", b"", b"twelve bytes"]
        assert (decoder.header, decoder.buffered, decoder.in_frame) == (b"12:", 0, False)


@pytest.mark.parametrize(("strip", "frame"), [(None, b"ab"), (0, b"2:ab"), (1, b":ab"), (3, b"b")])
def test_strip_counts_from_the_front_of_the_header(codec: ModuleType, strip: int | None, frame: bytes) -> None:
    framing = Framing.custom(digits, max_header_length=4, strip=strip)
    for chunks in cuts(b"2:ab"):
        assert run(codec, framing, chunks)[0] == [frame]


def test_it_is_given_what_has_come_and_no_more_than_a_header(codec: ModuleType) -> None:
    heads: list[bytes] = []

    def read(head: bytes) -> tuple[int, int] | None:
        heads.append(head)
        return (2, head[1]) if len(head) > 1 else None

    decoder = codec.Decoder(Framing.custom(read, max_header_length=3))
    for chunk in (b"a", b"\2xyb\1", b"z"):
        decoder.feed(chunk)
    assert heads == [b"a", b"a\2x", b"b\1"], "a byte more than was asked for, never four"
    assert all(type(head) is bytes for head in heads)


def test_a_header_may_be_told_before_it_has_come(codec: ModuleType) -> None:
    framing = Framing.custom(lambda head: (4, head[0]), max_header_length=4)
    for chunks in cuts(b"\2...ab\0..."):
        frames, decoder = run(codec, framing, chunks)
        assert frames == [b"ab", b""]
        assert decoder.header == b"\0..."


def test_it_may_look_ahead_into_the_frames_that_follow(codec: ModuleType) -> None:
    framing = Framing.custom(lambda head: (1, head[0]) if len(head) == 6 else None, max_header_length=6)
    for chunks in cuts(b"\1a\1b\1c\1d\0\0\0\0"):
        frames, decoder = run(codec, framing, chunks)
        assert frames == [b"a", b"b", b"c", b"d"]
        assert decoder.detach() == bytes(4)


@pytest.mark.parametrize(
    ("stream", "header"),
    [(b"OK\1aX", b"X"), (b"OK\1aOX", b"OX"), (b"OK\1aX and a lot more", b"X"), (b"OK\1aOO", b"OO")],
)
def test_a_wrong_magic_is_told_with_its_first_byte_however_it_was_cut(
    codec: ModuleType, stream: bytes, header: bytes
) -> None:
    for chunks in cuts(stream):
        frames, decoder = run(codec, Framing.custom(with_magic, max_header_length=3), chunks)
        assert frames == [b"a"]
        assert type(decoder.error) is FrameCorrupt
        assert (decoder.error.header, decoder.error.stream_offset, decoder.error.length) == (header, 4, None)
        assert str(decoder.error).startswith(f"no frame begins so: header {header.hex(' ')} '")


def test_an_error_of_its_own_is_the_error_of_the_stream(codec: ModuleType) -> None:
    class OutOfOrder(FramingError):
        pass

    def read(head: bytes) -> tuple[int, int]:
        raise OutOfOrder("checksum of the header is wrong")

    for chunks in cuts(b"abc"):
        _, decoder = run(codec, Framing.custom(read, max_header_length=3), chunks)
        assert type(decoder.error) is OutOfOrder
        assert (str(decoder.error), decoder.error.header) == ("checksum of the header is wrong", b"a")


def test_a_mistake_in_the_function_ends_the_stream_and_is_its_cause(codec: ModuleType) -> None:
    framing = Framing.custom(lambda head: (2, struct.unpack(">H", head)[0]), max_header_length=2)
    for chunks in cuts(b"\0\1a"):
        _, decoder = run(codec, framing, chunks)
        if len(next(filter(None, chunks))) < 2:
            assert str(decoder.error).startswith(
                "read_header raised error: unpack requires a buffer of 2 bytes: header"
            )
            assert type(decoder.error.__cause__) is struct.error


@pytest.mark.parametrize(
    "answer", ["no", (1,), (1, 2, 3), (1, 2.0), (True, 1), (-1, 3), (1, -1), (0, 0), (4, 0), [1, 2]]
)
def test_an_answer_that_is_none_is_refused_by_name(codec: ModuleType, answer: Any) -> None:
    _, decoder = run(codec, Framing.custom(lambda head: answer, max_header_length=3), [b"abcdef"])
    assert type(decoder.error) is FrameCorrupt
    assert f"read_header returned {answer!r}, " in str(decoder.error)


def test_a_header_that_never_ends_is_refused_at_its_longest(codec: ModuleType) -> None:
    for chunks in cuts(b"12345678"):
        _, decoder = run(codec, DIGITS, chunks)
        assert decoder.error.header == b"1234"
        assert "read_header can't tell after max_header_length bytes, which is 4" in str(decoder.error)


def test_limits_and_oversize_are_as_for_every_framing(codec: ModuleType) -> None:
    for chunks in cuts(b"2:ab4:abcd2:cd"):
        for oversize in ("error", "discard", "stream"):
            framing = Framing.custom(digits, max_header_length=4, max_frame_length=3, oversize=oversize)  # type: ignore[arg-type]
            frames, decoder = run(codec, framing, chunks)
            assert (frames[0], b"".join(frames[1:])) == (
                b"ab",
                {"error": b"", "discard": b"cd"}.get(oversize, b"abcdcd"),
            )
            if oversize == "error":
                assert type(decoder.error) is FrameTooLarge
                assert "body of 4 bytes announced by header 34 3a '4:' at stream offset 4" in str(decoder.error)


def test_the_end_in_a_header_and_in_a_body_is_told(codec: ModuleType) -> None:
    for stream, told in ((b"12", "is incomplete, 1 or more bytes missing"), (b"3:a", "1 of 3 bytes of the body came")):
        _, decoder = run(codec, DIGITS, [stream])
        with pytest.raises(FrameTruncated, match=told):
            decoder.feed_eof()


def test_an_interrupt_in_the_function_loses_nothing(codec: ModuleType) -> None:
    interrupts = [KeyboardInterrupt()]

    def read(head: bytes) -> tuple[int, int] | None:
        if head.startswith(b"2") and interrupts:
            raise interrupts.pop()
        return digits(head)

    decoder = codec.Decoder(Framing.custom(read, max_header_length=4))
    decoder.push(b"1:a2:bc3:def")
    frames = []
    with pytest.raises(KeyboardInterrupt):
        frames.extend(decoder)
    assert frames + list(decoder) == [b"a", b"bc", b"def"]


def test_a_function_that_feeds_its_decoder_is_refused(codec: ModuleType) -> None:
    def read(head: bytes) -> tuple[int, int]:
        decoder.feed(b"more")
        return 1, 1

    decoder = codec.Decoder(Framing.custom(read, max_header_length=4))
    assert decoder.feed(b"abc") == []
    assert "read_header raised RuntimeError: the decoder is still decoding" in str(decoder.error)


def test_what_it_writes_is_what_it_reads(twin: ModuleType) -> None:
    assert DIGITS.encode(b"hello") == b"5:hello"
    assert DIGITS.encode_many([b"", b"ab"]) == b"0:2:ab"
    assert DIGITS.header(999) == b"999:"
    prefixed = Framing.custom(with_magic, lambda size, prefix: prefix + bytes([size]), max_header_length=3)
    assert prefixed.encode(b"ab", b"OK") == b"OK\2ab"


def test_what_cant_be_sent_is_refused(twin: ModuleType) -> None:
    with pytest.raises(TypeError, match="was given no write_header: nothing can be sent with it"):
        Framing.custom(digits, max_header_length=4).encode(b"x")
    with pytest.raises(FrameTooLarge, match="body of 4 bytes to send, max_frame_length is 3"):
        Framing.custom(digits, write_digits, max_header_length=4, max_frame_length=3).encode(b"1234")
    with pytest.raises(ValueError, match="write_header returned 6 bytes, max_header_length is 4"):
        DIGITS.encode(bytes(10000))


@pytest.mark.parametrize("length", [0, -1, None, True, (1 << 20) + 1])
def test_the_longest_header_is_bounded(length: Any) -> None:
    with pytest.raises(ValueError, match=r"max_header_length is .*, it must be an int, 1 to 1048576"):
        Framing.custom(digits, max_header_length=length)


def test_what_cant_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="read_header is 'x', it must be callable"):
        Framing.custom("x", max_header_length=4)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="write_header is 'x', it must be callable or None"):
        Framing.custom(digits, "x", max_header_length=4)  # type: ignore[arg-type]


def test_it_is_a_value_like_the_others() -> None:
    assert Framing.custom(digits, write_digits, max_header_length=4) == DIGITS
    assert hash(DIGITS) == hash(pickle.loads(pickle.dumps(DIGITS)))
    assert repr(DIGITS) == "Framing.custom(read_header=digits, write_header=write_digits, max_header_length=4)"
