"""Frames that end in a delimiter: where a frame ends, which are too long, and what no cut may change."""

from __future__ import annotations

import tracemalloc
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor import FrameTooLarge, FrameTruncated, Framing, Piece
from reactor.framing import _codec_py as pure
from reactor.testing import cuts

MIB = 1 << 20


def decode(codec: ModuleType, framing: Framing, chunks: list[bytes]) -> tuple[list[Any], Any]:
    """Return the frames, those in pieces joined and in a tuple, and the decoder at the end of the chunks."""
    decoder, frames = codec.Decoder(framing), []
    pieces: list[bytes] = []
    for chunk in chunks:
        for frame in decoder.feed(chunk):
            if not isinstance(frame, Piece):
                frames.append(frame)
                continue
            assert frame.offset == sum(map(len, pieces))
            pieces.append(frame)
            assert frame.last == (frame.length is not None)
            if frame.last:
                frames.append((b"".join(pieces),))
                pieces = []
        if decoder.error is not None:
            break
    return frames + ([tuple(pieces)] if pieces else []), decoder


@pytest.mark.parametrize(
    ("framing", "stream", "frames"),
    [
        (Framing.delimited(), b"one\n\ntwo\n", [b"one", b"", b"two"]),
        (Framing.delimited(keep=True), b"one\n\ntwo\n", [b"one\n", b"\n", b"two\n"]),
        (Framing.delimited(b"\r\n"), b"a\rb\nc\r\r\n\n\r\n", [b"a\rb\nc\r", b"\n"]),
        (Framing.delimited(b"aab"), b"aaabaabxab" + b"aab", [b"a", b"", b"xab"]),
        (Framing.delimited(b"\0\0"), b"a\0\0\0\0", [b"a", b""]),
        (Framing.delimited(bytes(range(16))), b"x" + bytes(range(15)) + bytes(range(16)), [b"x" + bytes(range(15))]),
    ],
    ids=repr,
)
def test_a_frame_ends_where_its_delimiter_first_ends(
    codec: ModuleType, framing: Framing, stream: bytes, frames: list[bytes]
) -> None:
    for chunks in cuts(stream):
        got, decoder = decode(codec, framing, chunks)
        assert got == frames
        assert (decoder.buffered, decoder.in_frame, decoder.header) == (0, False, b"")


@given(
    stream=st.lists(st.sampled_from([b"a", b"b", b"ab", b"\r", b"\n", b"\r\n"]), max_size=60).map(b"".join),
    delimiter=st.sampled_from([b"\n", b"\r\n", b"aab", b"abab", b"\n\n"]),
    marks=st.lists(st.integers(0, 60), max_size=6).map(sorted),
)
@settings(max_examples=300)
def test_they_are_what_split_says(stream: bytes, delimiter: bytes, marks: list[int]) -> None:
    chunks = [stream[start:end] for start, end in zip([0, *marks], [*marks, len(stream)], strict=True)]
    got, decoder = decode(pure, Framing.delimited(delimiter), chunks)
    assert [*got, decoder.detach()] == stream.split(delimiter)


@pytest.mark.parametrize("keep", [False, True])
def test_the_limit_counts_no_delimiter(codec: ModuleType, keep: bool) -> None:
    framing = Framing.delimited(b"\r\n", keep=keep, max_frame_length=3)
    for chunks in cuts(b"abc\r\nabcd\r\nab\r\n"):
        got, decoder = decode(codec, framing, chunks)
        assert got == [b"abc\r\n" if keep else b"abc"]
        assert type(decoder.error) is FrameTooLarge
        assert (decoder.error.length, decoder.error.limit, decoder.error.stream_offset) == (None, 3, 5)
        assert decoder.error.header == b"abcd\r"
        assert str(decoder.error) == (
            r"body of more than 3 bytes without its delimiter b'\r\n', beginning 61 62 63 64 0d 'abcd.' "
            "at stream offset 5, max_frame_length is 3"
        )


def test_a_line_that_is_too_long_is_skipped_to_its_delimiter(codec: ModuleType) -> None:
    framing = Framing.delimited(b"\r\n", max_frame_length=3, oversize="discard")
    for chunks in cuts(b"one\r\n" + b"too\rlong\r" * 9 + b"\r\ntwo\r\n" + b"12345\r\n" + b"\r\n"):
        got, decoder = decode(codec, framing, chunks)
        assert got == [b"one", b"two", b""]
        assert (decoder.discarded, decoder.buffered, decoder.error) == (2, 0, None)


@pytest.mark.parametrize("keep", [False, True])
def test_a_line_that_is_too_long_comes_in_pieces(codec: ModuleType, keep: bool) -> None:
    framing = Framing.delimited(b"\r\n", keep=keep, max_frame_length=3, oversize="stream")
    end = b"\r\n" if keep else b""
    for chunks in cuts(b"one\r\n" + b"much\rlonger\r\r\n" + b"two\r\n" + b"1234\r\n"):
        got, _ = decode(codec, framing, chunks)
        assert got == [b"one" + end, (b"much\rlonger\r" + end,), b"two" + end, (b"1234" + end,)]


def test_the_length_of_a_streamed_line_is_known_at_its_end(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing.delimited(max_frame_length=1, oversize="stream"))
    pieces = decoder.feed(b"abc") + decoder.feed(b"d") + decoder.feed(b"\n")
    assert [(bytes(piece), piece.offset, piece.length, piece.last) for piece in pieces] == [
        (b"ab", 0, None, False),
        (b"c", 2, None, False),
        (b"d", 3, None, False),
        (b"", 4, 4, True),
    ]


@pytest.mark.parametrize("oversize", ["error", "discard", "stream"])
def test_the_end_inside_a_line_is_told(codec: ModuleType, oversize: Any) -> None:
    decoder = codec.Decoder(Framing.delimited(b"\r\n", max_frame_length=4, oversize=oversize))
    decoder.feed(b"done\r\n")
    decoder.feed(b"half\r" if oversize == "error" else b"halves")
    wanted = 1 if oversize == "error" else 2
    assert (decoder.in_frame, decoder.unfinished, decoder.wanted) == (True, True, wanted)
    with pytest.raises(
        FrameTruncated, match=r"\d bytes came without the delimiter b'\\r\\n', beginning 68 61"
    ) as caught:
        decoder.feed_eof()
    assert (caught.value.stream_offset, caught.value.length) == (6, None)


def test_a_limit_counts_from_the_next_line_on(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing.delimited(max_frame_length=2))
    decoder.feed(b"a")
    decoder.max_frame_length = 5
    assert decoder.feed(b"bc\n") == []
    assert decoder.error.limit == 2
    decoder = codec.Decoder(Framing.delimited(max_frame_length=2))
    decoder.push(b"ab\nabcde\n")
    frames = iter(decoder)
    assert next(frames) == b"ab"
    decoder.max_frame_length = 5
    assert list(frames) == [b"abcde"]


@pytest.mark.parametrize("oversize", ["discard", "stream"])
def test_a_line_without_an_end_takes_no_memory(codec: ModuleType, oversize: Any) -> None:
    decoder = codec.Decoder(Framing.delimited(b"\r\n", oversize=oversize))
    chunk = b"x" * 65536
    tracemalloc.start()
    try:
        for _ in range(256):
            decoder.feed(chunk)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    assert decoder.buffered == 0


def test_what_looks_like_the_beginning_of_a_delimiter_costs_no_more(codec: ModuleType) -> None:
    """A mebibyte in single bytes, and one of nothing but beginnings: either takes minutes where it is quadratic."""
    framing = Framing.delimited(b"\n" * 15 + b"!", max_frame_length=2 * MIB)
    decoder = codec.Decoder(framing)
    for _ in range(MIB // 4):
        decoder.feed(b"\n")
    assert decoder.feed(b"\n" * 65536 + b"!") == [b"\n" * (MIB // 4 + 65536 - 15)]


@pytest.mark.parametrize(
    ("delimiter", "body", "at"),
    [(b"\n", b"a\nb", 1), (b"\r\n", b"a\r\n", 1), (b"\n\n", b"a\n", 1), (b"aba", b"xab", 1)],
)
def test_a_body_that_contains_its_end_is_refused(twin: ModuleType, delimiter: bytes, body: bytes, at: int) -> None:
    framing = Framing.delimited(delimiter)
    for encode in (framing.encode, lambda body: framing.encode_many([b"good", body])):
        with pytest.raises(ValueError, match=rf"has the delimiter .* at byte {at}: the peer would take it for two"):
            encode(body)


def test_a_line_is_encoded_with_its_delimiter_behind(twin: ModuleType) -> None:
    framing = Framing.delimited(b"\r\n", max_frame_length=5)
    assert framing.encode(b"hello") == b"hello\r\n"
    assert framing.encode(memoryview(b"a\rb\n")) == b"a\rb\n\r\n"
    assert framing.encode_many([b"", b"x"]) == b"\r\nx\r\n"
    assert framing.header(5) == b""
    with pytest.raises(FrameTooLarge, match="body of 6 bytes to send, max_frame_length is 5"):
        framing.encode(b"123456")
    with pytest.raises(ValueError, match="prefix has 1 bytes, length_field_offset is 0"):
        framing.encode(b"", b"x")


@pytest.mark.parametrize("delimiter", [b"", b"x" * 17, "\n", bytearray(b"\n"), None])
def test_a_delimiter_is_one_to_sixteen_bytes(delimiter: Any) -> None:
    with pytest.raises(ValueError, match=r"delimiter is .*, it must be 1 to 16 bytes"):
        Framing.delimited(delimiter)
