"""What the text of an error says: the fact, the option that rules it, the raw bytes, and a guess at the peer."""

from __future__ import annotations

import copy
import importlib.util
import pickle
from types import ModuleType
from typing import Any

import pytest

from reactor import FrameCorrupt, FrameTooLarge, FrameTruncated, Framing, FramingError
from reactor.framing import verdicts
from reactor.framing.verdicts import MAX_BODY


def broken(codec: ModuleType, framing: Framing, stream: bytes) -> FramingError:
    """Return what breaks the stream, its end included."""
    decoder = codec.Decoder(framing)
    decoder.feed(stream)
    if decoder.error is None:
        with pytest.raises(FrameTruncated):
            decoder.feed_eof()
    error = decoder.error
    assert isinstance(error, FramingError)
    return error


CASES: dict[str, tuple[Framing, bytes, type[FramingError], str]] = {
    "too large": (
        Framing(),
        b"\0\0\0\2ok\x7f\0\0\1",
        FrameTooLarge,
        "body of 2130706433 bytes announced by header 7f 00 00 01 '....' at stream offset 6, "
        "max_frame_length is 1048576",
    ),
    "negative": (
        Framing(2, length_adjustment=-4),
        b"\0\3",
        FrameCorrupt,
        "body of -1 bytes announced by header 00 03 '..' at stream offset 0: length 3 and length_adjustment -4",
    ),
    "strip": (
        Framing(2, strip=4),
        b"\0\1z",
        FrameCorrupt,
        "frame of 3 bytes announced by header 00 01 '..' at stream offset 0 is shorter than strip, which is 4",
    ),
    "long varint": (
        Framing.varint(max_varint_bytes=3),
        b"\1a\x80\x81\x82\x01",
        FrameCorrupt,
        "varint goes on after max_varint_bytes, which is 3, in header 80 81 82 '...' at stream offset 2",
    ),
    "big varint": (
        Framing.varint(),
        b"\x80" * 9 + b"\2",
        FrameCorrupt,
        "varint of 2**64 or more in header 80 80 80 80 80 80 80 80 80 02 '..........' at stream offset 0",
    ),
    "truncated header": (
        Framing(4),
        b"\0\0\0\1x\0\1",
        FrameTruncated,
        "stream ended inside a frame: header 00 01 '..' at stream offset 5 is incomplete, 2 or more bytes missing; "
        "the peer closed too early",
    ),
    "truncated body": (
        Framing(4),
        b"\0\0\0\5abc",
        FrameTruncated,
        "stream ended inside a frame: 3 of 5 bytes of the body came after header 00 00 00 05 '....' at stream offset 0"
        "; the peer closed too early",
    ),
}


@pytest.mark.parametrize(("framing", "stream", "kind", "text"), CASES.values(), ids=list(CASES))
def test_a_text_says_what_is_wrong_where_and_by_which_option(
    codec: ModuleType, framing: Framing, stream: bytes, kind: type[FramingError], text: str
) -> None:
    error = broken(codec, framing, stream)
    assert type(error) is kind
    assert str(error) == text


ATTRIBUTES: dict[str, tuple[int | None, int, bytes, int]] = {
    "too large": (2130706433, 1 << 20, b"\x7f\0\0\1", 6),
    "negative": (-1, 1 << 20, b"\0\3", 0),
    "strip": (1, 1 << 20, b"\0\1", 0),
    "long varint": (None, 1 << 20, b"\x80\x81\x82", 2),
    "big varint": (None, 1 << 20, b"\x80" * 9 + b"\2", 0),
    "truncated header": (None, 1 << 20, b"\0\1", 5),
    "truncated body": (5, 1 << 20, b"\0\0\0\5", 0),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_handler_needs_is_an_attribute(codec: ModuleType, name: str) -> None:
    error = broken(codec, *CASES[name][:2])
    assert (error.length, error.limit, error.header, error.stream_offset) == ATTRIBUTES[name]
    assert type(error.header) is bytes


@pytest.mark.parametrize("name", CASES)
def test_an_error_survives_copying_and_pickling(codec: ModuleType, name: str) -> None:
    error = broken(codec, *CASES[name][:2])
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("too large", "max_frame_length is 1048576"),
        ("negative", "length_adjustment -4"),
        ("strip", "strip, which is 4"),
        ("long varint", "max_varint_bytes, which is 3"),
    ],
)
def test_a_text_names_the_option_to_change_and_its_value(codec: ModuleType, name: str, option: str) -> None:
    assert option in str(broken(codec, *CASES[name][:2]))


def test_the_example_of_the_design(codec: ModuleType) -> None:
    error = broken(codec, Framing(), b"rt 5 more of it")
    assert "header 72 74 20 35 'rt 5'" in str(error)
    assert "max_frame_length is 1048576" in str(error)
    assert str(error).startswith(f"body of {int.from_bytes(b'rt 5', 'big')} bytes announced by ")


def test_a_limit_that_was_set_later_is_the_one_that_is_named(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.max_frame_length = 7
    decoder.feed(b"\x08")
    assert decoder.error.limit == 7
    assert "max_frame_length is 7" in str(decoder.error)


# The header


def test_bytes_that_are_no_text_are_shown_as_dots(codec: ModuleType) -> None:
    error = broken(codec, Framing(4, length_field_offset=4), b"A\x1f ~\x7f\x80\xfe\xff")
    assert "header 41 1f 20 7e [7f 80 fe ff] 'A. ~....' at stream offset 0" in str(error)


def test_a_quote_in_the_header_does_not_end_the_text(codec: ModuleType) -> None:
    assert "header 27 22 5c 27 ''\"\\'' at stream offset 0" in str(broken(codec, Framing(4), b"'\"\\'"))


def test_a_long_header_is_shown_in_part_and_given_whole(codec: ModuleType) -> None:
    prefix = bytes(range(65, 91)) * 3
    error = broken(codec, Framing(4, length_field_offset=len(prefix)), prefix + b"\xff" * 4)
    assert error.header == prefix + b"\xff" * 4
    shown = (prefix + b"\xff" * 4)[:64]
    assert f"header {shown.hex(' ')}… '{shown.decode()}…' at" in str(error)


def test_a_header_of_64_bytes_is_shown_whole(codec: ModuleType) -> None:
    error = broken(codec, Framing(4, length_field_offset=60), bytes(60) + b"\xff" * 4)
    assert f"header {bytes(60).hex(' ')} [ff ff ff ff] '" in str(error)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (b"", ""),
        (b"\x02ab", ""),
        (b"\x02ab\x04", "0 of 4 bytes of the body came after header 04 '.' at stream offset 3"),
        (b"\x04abc", "3 of 4 bytes of the body came after header 04 '.' at stream offset 0"),
    ],
)
def test_what_has_come_of_a_frame_is_told_in_words(codec: ModuleType, stream: bytes, told: str) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.feed(stream)
    assert decoder.progress == told


@pytest.mark.parametrize(
    ("framing", "shown"), [(Framing(4), "00 00 80"), (Framing.varint(length_field_offset=2), "00 00 [80]")]
)
def test_a_header_that_is_incomplete_is_told_so(codec: ModuleType, framing: Framing, shown: str) -> None:
    decoder = codec.Decoder(framing)
    decoder.feed(b"\0\0\x80")
    assert decoder.progress == f"header {shown} '...' at stream offset 0 is incomplete, 1 or more bytes missing"


@pytest.mark.parametrize("oversize", ["discard", "stream"])
def test_a_frame_that_is_too_large_tells_its_progress_too(codec: ModuleType, oversize: Any) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=1, oversize=oversize))
    decoder.feed(b"\x03a")
    decoder.feed(b"b")
    assert decoder.progress == "2 of 3 bytes of the body came after header 03 '.' at stream offset 0"
    decoder.feed(b"c")
    assert decoder.progress == ""


def test_a_header_that_looks_like_another_protocol_is_told_so_before_it_is_judged(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(8))
    decoder.feed(b"GET /")
    assert decoder.progress.endswith("; this looks like HTTP: is the peer at the wrong port?")


def test_nothing_is_in_progress_behind_the_end(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.feed(b"\x04abc")
    decoder.detach()
    assert decoder.progress == ""


@pytest.mark.parametrize("cut", range(1, 8))
def test_the_header_of_a_truncated_frame_is_what_arrived_of_it(codec: ModuleType, cut: int) -> None:
    stream = b"PQR\0\0\0\5abc"[:cut]
    assert broken(codec, Framing(4, length_field_offset=3), stream).header == stream


def test_the_header_is_the_same_however_it_was_cut(codec: ModuleType) -> None:
    stream, told = b"\1a" + b"PQ\xff\xff", set()
    for cut in range(len(stream) + 1):
        decoder = codec.Decoder(Framing(1, length_field_offset=0, max_frame_length=60))
        decoder.feed(stream[:cut])
        if decoder.error is None:
            decoder.feed(stream[cut:])
        told.add((str(decoder.error), decoder.error.header, decoder.error.stream_offset))
    assert told == {(str(broken(codec, Framing(1, max_frame_length=60), stream)), b"P", 2)}


# The hint


SHAPES: list[dict[str, int]] = [
    {"length_field_length": 4},
    {"length_field_length": 3},
    {"length_field_length": 8},
    {"length_field_length": 4, "length_field_offset": 2},
]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def hint(codec: ModuleType, stream: bytes, shape: dict[str, int]) -> str:
    """Return what the text says behind the facts."""
    text = str(broken(codec, Framing(**shape, max_frame_length=9), stream))
    return text.partition("max_frame_length is 9")[2]


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\n",
        b"PUT /x HTTP/1.1\r\n",
        b"HEAD / HTTP/1.1\r\n",
        b"DELETE / HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"PATCH / HTTP/1.1\r\n",
        b"CONNECT host:1 HTTP/1.1\r\n",
        b"TRACE / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
    ids=lambda stream: stream.split()[0].decode(),
)
@each_shape
def test_http_is_recognised(codec: ModuleType, stream: bytes, shape: dict[str, int]) -> None:
    assert hint(codec, stream, shape) == "; this looks like HTTP: is the peer at the wrong port?"


@pytest.mark.parametrize("version", [b"\0", b"\1", b"\3"])
@each_shape
def test_tls_is_recognised(codec: ModuleType, version: bytes, shape: dict[str, int]) -> None:
    client_hello = b"\x16\x03" + version + b"\x02\x00\x01\x00\x01\xfc\x03\x03"
    assert hint(codec, client_hello, shape) == "; this looks like TLS: does the peer speak TLS to a plain port?"


@pytest.mark.parametrize(
    "stream", [b"SSH-2.0-OpenSSH", b'{"jsonrpc": "2.0"}', b"rt 5 more", b"\r\n\thello", b"*3\r\n$3\r\nSET"]
)
@each_shape
def test_text_is_recognised(codec: ModuleType, stream: bytes, shape: dict[str, int]) -> None:
    assert hint(codec, stream, shape) == "; this looks like text: is the peer speaking this protocol?"


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff", b"\x7f\0\0\1", b"tex\0", b"\x15\3\1\0", b"\x80bin"])
def test_bytes_that_look_like_nothing_get_no_hint(codec: ModuleType, stream: bytes) -> None:
    assert hint(codec, stream, {}) == ""


def test_one_byte_is_no_text(codec: ModuleType) -> None:
    error = broken(codec, Framing(1, max_frame_length=10), b"GET /")
    assert "looks like" not in str(error)


def test_two_bytes_of_text_are_text_and_not_yet_http(codec: ModuleType) -> None:
    error = broken(codec, Framing(2, max_frame_length=10), b"GET /")
    assert str(error).endswith("; this looks like text: is the peer speaking this protocol?")


@pytest.mark.parametrize(
    ("framing", "stream"),
    [
        (Framing(4, length_adjustment=-(2**31)), b"GET /"),
        (Framing(4, max_frame_length=2**40), b"GET /"),
        (Framing(8), b"GET /"),
    ],
    ids=["negative", "truncated body", "truncated header"],
)
def test_every_kind_of_verdict_gives_the_hint(codec: ModuleType, framing: Framing, stream: bytes) -> None:
    assert "; this looks like HTTP" in str(broken(codec, framing, stream))


# Encoding, and the limit


def test_what_is_too_large_to_send_names_the_option_too(twin: ModuleType) -> None:
    with pytest.raises(FrameTooLarge, match=r"^body of 3 bytes to send, max_frame_length is 2$"):
        Framing(max_frame_length=2).encode(b"abc")
    with pytest.raises(
        FrameTooLarge,
        match=r"^body of 256 bytes to send needs a length of 257 with length_adjustment -1, "
        r"the length field holds 0 to 255$",
    ):
        Framing(1, length_adjustment=-1).encode(bytes(256))


@pytest.mark.parametrize(
    ("limit", "meant"),
    [(0, 0), (9, 9), (MAX_BODY, MAX_BODY), (MAX_BODY + 1, MAX_BODY), (2**62, MAX_BODY), (2**100, MAX_BODY)],
)
def test_a_limit_is_never_more_than_both_twins_can_count(codec: ModuleType, limit: int, meant: int) -> None:
    assert verdicts.check_limit(limit) == meant
    decoder = codec.Decoder(Framing(8))
    decoder.max_frame_length = limit
    assert decoder.max_frame_length == meant
    assert codec.Decoder(Framing(8, max_frame_length=limit)).max_frame_length == meant


@pytest.mark.parametrize("word", [31, 63])
def test_a_limit_leaves_room_for_the_header_in_the_largest_object_that_there_can_be(
    monkeypatch: pytest.MonkeyPatch, word: int
) -> None:
    monkeypatch.setattr("sys.maxsize", (1 << word) - 1)
    spec = importlib.util.find_spec("reactor.framing.verdicts")
    assert spec is not None
    there = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(there)  # type: ignore[union-attr]
    largest, header, of_python = there.check_limit(1 << 70), there.MAX_OFFSET + 10, 64
    assert largest + header + of_python < 1 << word
    assert largest >= min(1 << 62, (1 << word) - (1 << 22))


@pytest.mark.parametrize("limit", [-1, 1.0, "9", None, True, False])
def test_what_is_no_limit_is_refused_by_name(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_frame_length is .*, it must be an int, 0 or more$"):
        verdicts.check_limit(limit)
