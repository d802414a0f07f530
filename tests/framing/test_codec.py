"""The decoder from the outside: one stream, any cut, and what it holds on to meanwhile. All of it over both twins."""

from __future__ import annotations

import array
import gc
import itertools
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reactor import FrameCorrupt, FrameTooLarge, FrameTruncated, Framing, FramingError, Piece
from reactor.framing import verdicts

KIB, MIB = 1 << 10, 1 << 20
SLACK = 96 * KIB  # what a decoder may hold besides the stream: one read buffer, and small change


def digits(head: bytes) -> tuple[int, int] | None:
    """The length in decimal, and a colon."""
    at = head.find(b":")
    return None if at < 0 else (at + 1, int(head[:at]))


FRAMINGS = [
    Framing(1),
    Framing(2, "little", strip=0),
    Framing(3, length_field_offset=2, strip=1),
    Framing(2, length_adjustment=-2),
    Framing(1, strip=3, length_adjustment=2),
    Framing.varint(),
    Framing.varint(length_field_offset=1, strip=0),
    Framing.delimited(b"\xff\xfe"),
    Framing.custom(digits, lambda size, _: b"%d:" % size, max_header_length=8),
]
each_framing = pytest.mark.parametrize("framing", FRAMINGS, ids=repr)
each_oversize = pytest.mark.parametrize("oversize", ["error", "discard", "stream"])


def sample(framing: Framing, bodies: list[bytes]) -> tuple[bytes, list[bytes], list[int]]:
    """Return a stream, its frames as they are to be delivered, and where in the stream each of them ends."""
    stream, frames, ends = b"", [], []
    for body in bodies:
        wire = framing.encode(body, b"\xaa" * framing.length_field_offset)
        stream += wire
        frames.append(body if framing.strip is None else wire[framing.strip :])
        ends.append(len(stream))
    return stream, frames, ends


BODIES = [b"first", b"zz", b"a body of some length: " + bytes(range(200)), b"last one"]


def in_cuts_of(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def put(decoder: Any, data: bytes) -> list[bytes]:
    """Feed through get_buffer() and buffer_updated(), as often as the buffers are too small."""
    frames: list[bytes] = []
    while data and decoder.error is None:
        view = decoder.get_buffer(len(data))
        count = min(len(view), len(data))
        view[:count] = data[:count]
        frames += decoder.buffer_updated(count)
        data = data[count:]
    return frames


def mixed(dice: random.Random, decoder: Any, data: bytes) -> list[bytes]:
    """Hand in data, some way or other."""
    way = dice.choice([decoder.feed, lambda chunk: put(decoder, chunk), lambda chunk: push_all(decoder, chunk)])
    frames: list[bytes] = way(data)
    return frames


def push_all(decoder: Any, data: bytes) -> list[bytes]:
    decoder.push(data)
    return list(decoder)


class Traced:
    """How much memory Python holds more than at the beginning, now and at most."""

    def __init__(self) -> None:
        self._base = tracemalloc.get_traced_memory()[0]

    @property
    def now(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self._base

    @property
    def peak(self) -> int:
        return tracemalloc.get_traced_memory()[1] - self._base


@contextmanager
def traced() -> Iterator[Traced]:
    gc.collect()
    tracemalloc.start()
    try:
        yield Traced()
    finally:
        tracemalloc.stop()


# feed, get_buffer and buffer_updated


@each_framing
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_frames_come_out_whole_however_they_are_cut(codec: ModuleType, framing: Framing, size: int) -> None:
    stream, frames, _ = sample(framing, BODIES)
    decoder = codec.Decoder(framing)
    assert [frame for chunk in in_cuts_of(stream, size) for frame in decoder.feed(chunk)] == frames
    decoder.feed_eof()


@each_framing
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_reading_in_place_is_feeding(codec: ModuleType, framing: Framing, size: int) -> None:
    stream, _, _ = sample(framing, BODIES)
    fed, read = codec.Decoder(framing), codec.Decoder(framing)
    for chunk in in_cuts_of(stream, size):
        assert put(read, chunk) == fed.feed(chunk)
        assert (read.buffered, read.wanted, read.stream_offset) == (fed.buffered, fed.wanted, fed.stream_offset)


@each_framing
def test_a_stream_cut_in_two_anywhere_comes_out_whole(codec: ModuleType, framing: Framing) -> None:
    stream, frames, _ = sample(framing, BODIES)
    for cut in range(len(stream) + 1):
        decoder = codec.Decoder(framing)
        assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == frames


@pytest.mark.parametrize("strip", [None, 0, 2, 4, 70 * KIB], ids=str)
def test_large_and_small_frames_in_any_mixture_of_ways(codec: ModuleType, strip: int | None) -> None:
    dice = random.Random(f"large and small, {strip}")
    framing = Framing(4, strip=strip, max_frame_length=MIB)
    for _ in range(8):
        sizes = [dice.choice([70 * KIB, 300 * KIB, 128 * KIB - 4]) + dice.randint(0, 9) for _ in range(4)]
        if strip != 70 * KIB:
            sizes += [dice.randint(0, 600) for _ in range(20)]
        dice.shuffle(sizes)
        stream, frames, _ = sample(framing, [dice.randbytes(size) for size in sizes])
        decoder, got, at = codec.Decoder(framing), [], 0
        while at < len(stream):
            size = dice.choice([1, 5, 300, 4 * KIB, 64 * KIB, 200 * KIB])
            got += mixed(dice, decoder, stream[at : at + size])
            at += size
            assert decoder.stream_offset + decoder.buffered == min(at, len(stream))
        assert got == frames


def test_every_frame_is_bytes_and_nothing_else(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    for data in (b"\1a", bytearray(b"\1a"), memoryview(b"\1a"), b"\1a\1", b"a"):
        assert [type(frame) for frame in decoder.feed(data)] in ([bytes], [bytes, bytes])


EXPORTERS: dict[str, Callable[[bytes], Any]] = {
    "bytearray": bytearray,
    "view": memoryview,
    "writable view": lambda data: memoryview(bytearray(data)),
    "every other": lambda data: memoryview(bytes(byte for pair in zip(data, data, strict=True) for byte in pair))[::2],
    "backwards": lambda data: memoryview(data[::-1])[::-1],
    "two rows": lambda data: memoryview(data).cast("B", [2, len(data) // 2]),
    "cast": lambda data: memoryview(data).cast("H"),
    "array": lambda data: array.array("H", data),
    "subclass": lambda data: type("Bytes", (bytes,), {})(data),
}


@pytest.mark.parametrize("make", EXPORTERS.values(), ids=list(EXPORTERS))
def test_whatever_exports_bytes_can_be_fed(codec: ModuleType, make: Callable[[bytes], Any]) -> None:
    decoder = codec.Decoder(Framing(2))
    assert decoder.feed(make(b"\0\2hi\0\0\0\5th")) == [b"hi", b""]
    assert decoder.feed(make(b"ree\0")) == [b"three"]
    assert decoder.detach() == b"\0"


def test_columns_are_fed_row_by_row(codec: ModuleType) -> None:
    """A matrix in Fortran's order, as numpy has them, is contiguous, but not in the order of its bytes."""
    testbuffer = pytest.importorskip("_testbuffer")
    columns = testbuffer.ndarray(list(b"\2\1hxi\0"), shape=[3, 2], format="B", flags=testbuffer.ND_FORTRAN)
    rows = memoryview(columns).tobytes()
    assert codec.Decoder(Framing(1)).feed(columns) == codec.Decoder(Framing(1)).feed(rows)
    assert codec.Encoder(Framing(1)).encode(columns) == bytes([len(rows)]) + rows


def test_a_chunk_may_be_changed_once_it_was_fed(codec: ModuleType) -> None:
    decoder, chunk = codec.Decoder(Framing(1)), bytearray(b"\2hi\4th")
    frames = decoder.feed(chunk)
    chunk[:] = b"\xff" * len(chunk)
    chunk.clear()
    assert frames + decoder.feed(b"ey") == [b"hi", b"they"]


def test_a_chunk_may_be_changed_once_it_was_pushed(codec: ModuleType) -> None:
    decoder, chunk = codec.Decoder(Framing(1)), bytearray(b"\2hi\4th")
    decoder.push(chunk)
    chunk[:] = b"\xff" * len(chunk)
    chunk.clear()
    assert list(decoder) == [b"hi"]
    assert decoder.feed(b"ey") == [b"they"]


def test_a_broken_stream_leaves_the_chunk_to_its_owner(codec: ModuleType) -> None:
    decoder, chunk = codec.Decoder(Framing(1, max_frame_length=2)), bytearray(b"\1a\3abc")
    assert decoder.feed(chunk) == [b"a"]
    chunk.clear()
    assert decoder.detach() == b"\3abc"


@pytest.mark.parametrize("data", ["text", None, 3, [1, 2], object()])
def test_what_has_no_bytes_is_refused_and_does_no_harm(codec: ModuleType, data: Any) -> None:
    decoder = codec.Decoder(Framing(1))
    assert decoder.feed(b"\3a") == []
    with pytest.raises(TypeError):
        decoder.feed(data)
    with pytest.raises(TypeError):
        decoder.push(data)
    assert decoder.feed(b"bc") == [b"abc"]


def test_a_released_view_is_refused_and_does_no_harm(codec: ModuleType) -> None:
    decoder, view = codec.Decoder(Framing(1)), memoryview(b"\1a")
    view.release()
    with pytest.raises(ValueError, match="released"):
        decoder.feed(view)
    assert decoder.feed(b"\1a") == [b"a"]


# Errors, and the end


BROKEN = [
    (Framing(1, max_frame_length=2), b"\3abc", FrameTooLarge),
    (Framing(1, length_adjustment=-2), b"\1abc", FrameCorrupt),
    (Framing(1, strip=2), b"\0abc", FrameCorrupt),
    (Framing.varint(max_varint_bytes=2), b"\x80\x80abc", FrameCorrupt),
    (Framing.varint(), b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\2", FrameCorrupt),
]
each_break = pytest.mark.parametrize(("framing", "bad", "kind"), BROKEN)


def good_frame(framing: Framing) -> tuple[bytes, bytes]:
    wire = framing.encode(b"ok")
    return wire, wire[framing.strip :] if framing.strip is not None else b"ok"


@each_break
def test_frames_before_a_bad_header_are_delivered_and_nothing_behind_it(
    codec: ModuleType, framing: Framing, bad: bytes, kind: type[FramingError]
) -> None:
    wire, frame = good_frame(framing)
    decoder = codec.Decoder(framing)
    assert decoder.feed(wire * 3 + bad + wire) == [frame] * 3
    assert type(decoder.error) is kind
    assert decoder.error.stream_offset == 3 * len(wire)


@each_break
def test_every_later_call_raises_the_very_same_error(
    codec: ModuleType, framing: Framing, bad: bytes, kind: type[FramingError]
) -> None:
    decoder = codec.Decoder(framing)
    assert decoder.feed(bad) == []
    error = decoder.error
    later: list[Callable[[], Any]] = [
        lambda: decoder.feed(b"x"),
        lambda: decoder.feed(b""),
        lambda: decoder.push(b"x"),
        lambda: decoder.get_buffer(),
        lambda: decoder.buffer_updated(0),
        decoder.feed_eof,
        lambda: decoder.feed(b"x"),
    ]
    for call in later:
        with pytest.raises(kind) as caught:
            call()
        assert caught.value is error is decoder.error
    assert list(decoder) == []


@each_break
def test_a_broken_stream_counts_on_what_it_got_before(
    codec: ModuleType, framing: Framing, bad: bytes, kind: type[FramingError]
) -> None:
    wire, _ = good_frame(framing)
    decoder = codec.Decoder(framing)
    decoder.feed(wire + bad + b"rest")
    assert decoder.error is not None
    assert decoder.stream_offset == len(wire) == decoder.error.stream_offset
    assert decoder.buffered == len(bad + b"rest")
    assert decoder.wanted == 0
    assert decoder.detach() == bad + b"rest"


def test_a_refused_feed_leaves_no_trace(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=2))
    decoder.feed(b"\3")
    for _ in range(3):
        with pytest.raises(FrameTooLarge):
            decoder.feed(b"more")
    assert (decoder.stream_offset, decoder.buffered) == (0, 1)
    assert decoder.detach() == b"\3"


def test_raising_one_error_over_and_over_does_not_pile_up_memory(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=2))
    decoder.feed(b"\3")
    with traced() as memory:
        for _ in range(300):
            with suppress(FrameTooLarge):
                decoder.feed(bytes(KIB))
        assert memory.now < SLACK


@each_framing
def test_the_end_of_the_stream_is_clean_between_frames_and_nowhere_else(codec: ModuleType, framing: Framing) -> None:
    stream, _, ends = sample(framing, BODIES)
    for cut in range(len(stream) + 1):
        decoder = codec.Decoder(framing)
        decoder.feed(stream[:cut])
        if cut in (0, *ends):
            decoder.feed_eof()
            assert decoder.error is None
            continue
        with pytest.raises(FrameTruncated) as caught:
            decoder.feed_eof()
        assert caught.value is decoder.error
        assert caught.value.stream_offset == max(end for end in (0, *ends) if end < cut)


def test_the_end_right_behind_a_header_is_inside_a_frame(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2))
    decoder.feed(b"\0\0\0\3")
    with pytest.raises(FrameTruncated) as caught:
        decoder.feed_eof()
    error = caught.value
    assert (error.length, error.limit, error.header, error.stream_offset) == (3, MIB, b"\0\3", 2)


def test_behind_a_truncated_stream_everything_raises(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2))
    decoder.feed(b"\0\3a")
    for call in (decoder.feed_eof, decoder.feed_eof, lambda: decoder.feed(b"bc")):
        with pytest.raises(FrameTruncated) as caught:
            call()
        assert caught.value is decoder.error


@pytest.mark.parametrize("oversize", ["discard", "stream"])
@pytest.mark.parametrize("body", [b"", b"12", b"12345678"])
def test_the_end_inside_an_oversized_frame_is_inside_a_frame(codec: ModuleType, oversize: Any, body: bytes) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=4, oversize=oversize))
    decoder.feed(b"\1a\x09" + body)
    with pytest.raises(FrameTruncated) as caught:
        decoder.feed_eof()
    assert (caught.value.stream_offset, caught.value.header, caught.value.length) == (2, b"\x09", 9)


@each_oversize
@pytest.mark.parametrize("strip", [None, 0], ids=str)
def test_the_end_changes_no_number_and_nothing_that_is_held(codec: ModuleType, oversize: Any, strip: Any) -> None:
    stream = b"\0\2hi\0\4four" + (b"" if oversize == "error" else b"\0\x20 and more")
    for cut in range(len(stream) + 1):
        told = []
        for ended in (False, True):
            decoder = codec.Decoder(Framing(2, strip=strip, max_frame_length=9, oversize=oversize))
            decoder.feed(stream[:cut])
            if ended:
                with suppress(FrameTruncated):
                    decoder.feed_eof()
            told.append((decoder.stream_offset, decoder.buffered, decoder.discarded, decoder.detach()))
        assert told[0] == told[1], f"ended after {cut} bytes"


# detach


@each_framing
def test_detaching_at_any_byte_hands_over_what_was_not_delivered(codec: ModuleType, framing: Framing) -> None:
    stream, frames, ends = sample(framing, BODIES)
    for cut in range(len(stream) + 1):
        decoder = codec.Decoder(framing)
        got = decoder.feed(stream[:cut])
        done = max(end for end in (0, *ends) if end <= cut)
        assert got == frames[: len(got)]
        assert decoder.detach() == stream[done:cut]


@each_framing
def test_detaching_behind_trickled_bytes_hands_over_the_same(codec: ModuleType, framing: Framing) -> None:
    stream, _, ends = sample(framing, BODIES)
    for cut in range(0, len(stream) + 1, 5):
        decoder = codec.Decoder(framing)
        for byte in in_cuts_of(stream[:cut], 1):
            put(decoder, byte)
        assert decoder.detach() == stream[max(end for end in (0, *ends) if end <= cut) : cut]


@each_framing
def test_detaching_between_two_frames_of_a_chunk_hands_over_all_behind(codec: ModuleType, framing: Framing) -> None:
    stream, frames, ends = sample(framing, BODIES)
    for count, end in enumerate((0, *ends)):
        decoder = codec.Decoder(framing)
        decoder.push(stream + b"\xee")
        assert list(itertools.islice(decoder, count)) == frames[:count]
        assert decoder.detach() == stream[end:] + b"\xee"


def test_what_one_decoder_hands_over_another_one_takes_up(codec: ModuleType) -> None:
    """A protocol that switches its framing inside a chunk."""
    first, second = codec.Decoder(Framing(1)), codec.Decoder(Framing(2, "little"))
    first.push(b"\5hello\2\0hi\1")
    assert next(iter(first)) == b"hello"
    assert second.feed(first.detach()) == [b"hi"]
    assert second.feed(b"\0!") == [b"!"]


@pytest.mark.parametrize("strip", [None, 0, 1], ids=str)
def test_detaching_inside_a_discarded_frame_hands_over_none_of_it(codec: ModuleType, strip: Any) -> None:
    for cut in range(2, 12):
        decoder = codec.Decoder(Framing(2, strip=strip, max_frame_length=3, oversize="discard"))
        decoder.feed(b"\0\x0a0123456789"[:cut])
        assert decoder.detach() == b""


@pytest.mark.parametrize("step", [1, 2, 3, 50])
def test_no_byte_of_a_streamed_frame_is_lost_between_pieces_and_detaching(codec: ModuleType, step: int) -> None:
    """With strip=0 every byte of the stream is either delivered or handed over."""
    stream = b"\0\2hi\0\x0a0123456789\0\0"
    for cut in range(len(stream) + 1):
        decoder = codec.Decoder(Framing(2, strip=0, max_frame_length=3, oversize="stream"))
        delivered = b"".join(frame for chunk in in_cuts_of(stream[:cut], step) for frame in decoder.feed(chunk))
        assert delivered + decoder.detach() == stream[:cut], f"after {cut} bytes"


def test_a_detached_decoder_is_at_its_end(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.feed(b"\3ab")
    assert decoder.detach() == b"\3ab"
    calls: list[Callable[[], Any]] = [
        lambda: decoder.feed(b"c"),
        lambda: decoder.feed(b""),
        lambda: decoder.push(b"c"),
        lambda: decoder.get_buffer(),
        lambda: decoder.buffer_updated(0),
        decoder.feed_eof,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="detached"):
            call()
    assert list(decoder) == []
    assert decoder.detach() == b""
    assert (decoder.buffered, decoder.wanted, decoder.undecoded, decoder.error) == (0, 0, 0, None)


def test_what_was_handed_over_counts_as_done_with(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.feed(b"\1a\3ab")
    decoder.detach()
    assert (decoder.stream_offset, decoder.buffered) == (5, 0)


def test_a_broken_decoder_hands_over_the_bad_header_and_all_behind_it(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2, max_frame_length=9))
    decoder.feed(b"\0\1a\xff")
    decoder.feed(b"\xffbehind")
    error = decoder.error
    assert decoder.detach() == b"\xff\xffbehind"
    assert decoder.error is error
    with pytest.raises(FrameTooLarge):
        decoder.feed(b"x")


# The numbers


@each_framing
def test_the_numbers_add_up_at_every_byte(codec: ModuleType, framing: Framing) -> None:
    stream, _, ends = sample(framing, BODIES)
    decoder = codec.Decoder(framing)
    for cut in range(1, len(stream) + 1):
        decoder.feed(stream[cut - 1 : cut])
        done = max(end for end in (0, *ends) if end <= cut)
        assert decoder.stream_offset == done
        assert decoder.buffered == cut - done
        assert decoder.undecoded == 0


@each_framing
def test_wanted_bytes_are_never_too_many_and_lead_to_the_frame(codec: ModuleType, framing: Framing) -> None:
    """Whoever feeds exactly what is wanted, again and again, arrives at the frame's last byte, and not beyond it."""
    stream, frames, ends = sample(framing, BODIES)
    decoder, at, got = codec.Decoder(framing), 0, []
    for end in ends:
        while at < end:
            wanted = decoder.wanted
            assert 0 < wanted <= end - at
            got += decoder.feed(stream[at : at + wanted])
            at += wanted
    assert got == frames


def test_wanted_is_first_the_header_and_then_the_body(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(4, length_field_offset=2))
    told = [decoder.wanted]
    for chunk in (b"P", b"P\0", b"\0\0", b"\5", b"he", b"llo"):
        decoder.feed(chunk)
        told.append(decoder.wanted)
    assert told == [6, 5, 3, 1, 5, 3, 6]


def test_wanted_of_a_varint_is_its_next_byte(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing.varint(length_field_offset=2))
    told = [decoder.wanted]
    for chunk in (b"P", b"P", b"\x85", b"\x80", b"\0", b"hell"):
        decoder.feed(chunk)
        told.append(decoder.wanted)
    assert told == [3, 2, 1, 1, 1, 5, 1]


def test_wanted_leaves_out_what_is_not_decoded_yet(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2))
    decoder.push(b"\0")
    assert (decoder.wanted, decoder.undecoded, decoder.buffered) == (1, 1, 1)
    assert list(decoder) == []
    assert (decoder.wanted, decoder.undecoded, decoder.buffered) == (1, 0, 1)


def test_an_undecoded_chunk_is_buffered(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.feed(b"\2a")
    decoder.push(b"b\1c\4d")
    before = numbers(decoder)
    during = [numbers(decoder) for _ in decoder]
    assert [before, *during, numbers(decoder)] == [(0, 7, 5), (3, 4, 4), (5, 2, 2), (5, 2, 0)]


def numbers(decoder: Any) -> tuple[int, int, int]:
    return decoder.stream_offset, decoder.buffered, decoder.undecoded


@pytest.mark.parametrize("oversize", ["discard", "stream"])
def test_an_oversized_frame_is_never_buffered(codec: ModuleType, oversize: Any) -> None:
    stream = b"\1a\x0a0123456789\1b"
    decoder = codec.Decoder(Framing(1, max_frame_length=3, oversize=oversize))
    told = []
    for cut, byte in enumerate(in_cuts_of(stream, 1), 1):
        decoder.feed(byte)
        assert decoder.stream_offset + decoder.buffered == cut
        told.append((decoder.buffered, decoder.wanted))
    assert told == [(1, 1), (0, 1), *((0, 10 - i) for i in range(10)), (0, 1), (1, 1), (0, 1)]


# The limit


@pytest.mark.parametrize("limit", [-1, 1.0, "9", None, True, [9]])
def test_a_limit_that_is_none_is_refused_and_the_old_one_stays(codec: ModuleType, limit: Any) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=5))
    with pytest.raises(ValueError, match="max_frame_length is "):
        decoder.max_frame_length = limit
    assert decoder.max_frame_length == 5
    assert decoder.feed(b"\5hello") == [b"hello"]


def test_a_limit_may_be_raised_and_lowered_between_frames(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=2))
    assert decoder.feed(b"\2hi") == [b"hi"]
    decoder.max_frame_length = 5
    assert decoder.feed(b"\5hello") == [b"hello"]
    decoder.max_frame_length = 4
    assert decoder.feed(b"\4four\5hello") == [b"four"]
    assert isinstance(decoder.error, FrameTooLarge)
    assert decoder.error.limit == 4


@pytest.mark.parametrize("arrived", [1, 2, 3, 4])
def test_a_frame_in_flight_is_under_the_limit_it_began_with(codec: ModuleType, arrived: int) -> None:
    wire = b"\5hello"
    decoder = codec.Decoder(Framing(1, max_frame_length=5))
    assert decoder.feed(wire[:arrived]) == []
    decoder.max_frame_length = 1
    assert decoder.feed(wire[arrived:] + b"\1a" + wire) == [b"hello", b"a"]
    assert isinstance(decoder.error, FrameTooLarge)


def test_a_limit_set_while_the_header_is_cut_counts_for_that_frame(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2, max_frame_length=5))
    decoder.feed(b"\0")
    decoder.max_frame_length = 9
    assert decoder.feed(b"\x09nine more") == [b"nine more"]
    decoder.feed(b"\0")
    decoder.max_frame_length = 1
    assert decoder.feed(b"\2ab") == []
    assert isinstance(decoder.error, FrameTooLarge)


@pytest.mark.parametrize("oversize", ["discard", "stream"])
def test_an_oversized_frame_in_flight_stays_one_when_the_limit_is_raised(codec: ModuleType, oversize: Any) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=2, oversize=oversize))
    first = decoder.feed(b"\5he")
    decoder.max_frame_length = 100
    frames = first + decoder.feed(b"llo\5again")
    assert [type(frame) for frame in frames] == ([bytes] if oversize == "discard" else [Piece, Piece, bytes])
    assert b"".join(frames) == (b"again" if oversize == "discard" else b"helloagain")


def test_a_limit_set_between_two_frames_of_a_chunk_counts_for_the_second(codec: ModuleType) -> None:
    """A limit agreed in a handshake, when the first big message is right behind it."""
    decoder = codec.Decoder(Framing(1, max_frame_length=2))
    decoder.push(b"\2hi\5hello\6beyond")
    got = []
    for frame in decoder:
        got.append(frame)
        decoder.max_frame_length = 5
    assert got == [b"hi", b"hello"]
    assert isinstance(decoder.error, FrameTooLarge)
    assert decoder.error.limit == 5


# Discarding


def test_discarding_skips_byte_exactly_and_counts_each_frame_once(codec: ModuleType) -> None:
    framing = Framing(2, max_frame_length=4, oversize="discard")
    stream = b"\0\4good" + b"\0\5large" + b"\0\2ok" + b"\1\0" + bytes(256) + b"\0\0" + b"\0\3end"
    for size in range(1, len(stream) + 1):
        decoder = codec.Decoder(framing)
        frames = [frame for chunk in in_cuts_of(stream, size) for frame in decoder.feed(chunk)]
        assert frames == [b"good", b"ok", b"", b"end"]
        assert decoder.discarded == 2
        decoder.feed_eof()


def test_a_discarded_frame_is_counted_when_its_header_is_there(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(2, max_frame_length=4, oversize="discard"))
    counts = []
    for byte in in_cuts_of(b"\0\5large\0\6larger", 1):
        decoder.feed(byte)
        counts.append(decoder.discarded)
    assert counts == [0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2]


def test_many_tiny_oversized_frames_in_one_chunk_are_skipped(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=0, oversize="discard"))
    assert decoder.feed(b"\1x" * 100_000 + b"\0") == [b""]
    assert decoder.discarded == 100_000
    assert (decoder.stream_offset, decoder.buffered) == (200_001, 0)


def test_many_tiny_oversized_frames_in_one_chunk_are_streamed(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=0, oversize="stream"))
    frames = decoder.feed(b"\1x" * 20_000 + b"\0")
    assert [type(frame) for frame in frames] == [Piece] * 20_000 + [bytes]
    assert b"".join(frames) == b"x" * 20_000


@pytest.mark.parametrize("way", ["feed", "put"])
def test_a_discarded_frame_takes_no_memory(codec: ModuleType, way: str) -> None:
    decoder, chunk = codec.Decoder(Framing(4, oversize="discard")), bytes(32 * KIB)
    decoder.feed((64 * MIB).to_bytes(4, "big"))
    with traced() as memory:
        for _ in range(2048):
            assert (put(decoder, chunk) if way == "put" else decoder.feed(chunk)) == []
        assert memory.peak < SLACK + len(chunk)
    assert decoder.feed(b"\0\0\0\2ok") == [b"ok"]


# Streaming


@pytest.mark.parametrize("strip", [None, 0, 1, 2, 3, 4, 6, 11], ids=str)
def test_the_pieces_of_a_frame_are_the_frame_whatever_the_cut(codec: ModuleType, strip: int | None) -> None:
    dice = random.Random(f"pieces, {strip}")
    framing = Framing(2, length_field_offset=1, strip=strip, max_frame_length=3, oversize="stream")
    wire = b"P\0\x14" + bytes(range(20))
    frame = wire[3 if strip is None else strip :]
    sizes = [[size] * len(wire) for size in range(1, len(wire) + 1)]
    sizes += [[dice.randint(0, 5) for _ in wire] + [99] for _ in range(50)]
    for some in sizes:
        decoder = codec.Decoder(framing)
        rest, pieces = wire, []
        for size in some:
            pieces += decoder.feed(rest[:size])
            rest = rest[size:]
        check_pieces(pieces, frame)
        check_pieces(decoder.feed(wire), frame)


def check_pieces(pieces: list[Any], frame: bytes) -> None:
    """The pieces join up to the frame, say so, and only the last of them ends it."""
    assert b"".join(pieces) == frame
    at = 0
    for number, piece in enumerate(pieces, 1):
        assert type(piece) is Piece
        assert (piece.offset, piece.length) == (at, len(frame))
        assert piece.last == (number == len(pieces))
        assert len(piece) > 0 or len(frame) == 0
        at += len(piece)


def test_a_piece_comes_with_every_chunk_that_brings_something_of_the_frame(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=3, oversize="stream"))
    assert decoder.feed(b"\1a\6") == [b"a"]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"12") == [b"12"]
    assert decoder.feed(b"345") == [b"345"]
    assert decoder.feed(b"6\1b") == [b"6", b"b"]


def test_a_frame_under_the_limit_is_never_in_pieces(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=5, oversize="stream"))
    frames = [frame for byte in in_cuts_of(b"\5hello\6beyond", 1) for frame in decoder.feed(byte)]
    assert type(frames[0]) is bytes
    check_pieces(frames[1:], b"beyond")


def test_a_streamed_frame_of_which_all_is_stripped_is_one_empty_piece(codec: ModuleType) -> None:
    for size in range(1, 8):
        decoder = codec.Decoder(Framing(1, strip=6, max_frame_length=3, oversize="stream"))
        frames = [frame for chunk in in_cuts_of(b"\5hello\5again", size) for frame in decoder.feed(chunk)]
        assert [(frame, frame.offset, frame.length, frame.last) for frame in frames] == [(b"", 0, 0, True)] * 2


def test_a_streamed_frame_is_never_held_whole(codec: ModuleType) -> None:
    decoder, chunk = codec.Decoder(Framing(4, oversize="stream")), bytes(32 * KIB)
    decoder.feed((64 * MIB).to_bytes(4, "big"))
    with traced() as memory:
        for number in range(2048):
            (piece,) = decoder.feed(chunk)
            assert (piece.offset, len(piece), piece.last) == (number * len(chunk), len(chunk), number == 2047)
        assert memory.peak < SLACK + 4 * len(chunk)


# Lazily, frame by frame


@each_framing
def test_an_iteration_may_break_off_anywhere_and_go_on(codec: ModuleType, framing: Framing) -> None:
    stream, frames, _ = sample(framing, BODIES)
    for count in range(len(frames) + 1):
        decoder = codec.Decoder(framing)
        decoder.push(stream)
        first = list(itertools.islice(decoder, count))
        assert (first, list(decoder), list(decoder)) == (frames[:count], frames[count:], [])
        decoder.feed_eof()


@each_framing
def test_frame_by_frame_in_any_cut_nothing_is_lost_or_told_twice(codec: ModuleType, framing: Framing) -> None:
    stream, frames, _ = sample(framing, BODIES)
    for size in range(1, len(stream), 7):
        decoder, got = codec.Decoder(framing), []
        for chunk in in_cuts_of(stream, size):
            decoder.push(chunk)
            while decoder.undecoded:
                got += itertools.islice(decoder, 1)
            got += decoder
        assert got == frames


def test_an_iterator_that_was_left_does_not_disturb_the_next_one(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.push(b"\1a\1b\1c\1d\1e")
    one, other = iter(decoder), iter(decoder)
    assert [next(one), next(other), next(one), next(other), next(one)] == [b"a", b"b", b"c", b"d", b"e"]
    assert list(other) == list(one) == []


def test_the_pieces_of_a_chunk_come_lazily_too(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=2, oversize="stream"))
    decoder.push(b"\3abc\1d\3ef")
    assert [next(iter(decoder)) for _ in range(3)] == [b"abc", b"d", b"ef"]
    decoder.push(b"g\1h")
    assert list(decoder) == [b"g", b"h"]


def test_a_chunk_on_an_undecoded_rest_is_refused_and_does_no_harm(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.push(b"\1a\1b\2")
    assert next(iter(decoder)) == b"a"
    decoder.get_buffer(10)
    for call in (decoder.push, decoder.feed):
        with pytest.raises(RuntimeError, match="still decoding"):
            call(b"\1x")
    with pytest.raises(RuntimeError, match="still decoding"):
        decoder.buffer_updated(2)
    assert (decoder.stream_offset, decoder.buffered, decoder.undecoded) == (2, 3, 3)
    assert list(decoder) == [b"b"]
    assert decoder.feed(b"cd") == [b"cd"]


def test_the_last_frame_of_a_chunk_may_be_followed_by_the_next_chunk_at_once(codec: ModuleType) -> None:
    decoder, chunks, got = codec.Decoder(Framing(1)), [b"\1a\1b", b"\1c", b"\2d", b"e"], []
    decoder.push(chunks.pop(0))
    while chunks:
        got += decoder if decoder.undecoded else []
        decoder.push(chunks.pop(0))
    assert got + list(decoder) == [b"a", b"b", b"c", b"de"]


def test_a_loop_over_the_frames_may_push_the_next_chunk_behind_the_last(codec: ModuleType) -> None:
    chunk = b"\1a\1b"
    decoder, left, got = codec.Decoder(Framing(1)), 3, []
    decoder.push(chunk)
    for frame in decoder:
        got.append(frame)
        if not decoder.undecoded and left:
            decoder.push(chunk)  # the very same object: it must be decoded again
            left -= 1
    assert got == [b"a", b"b"] * 4


def test_a_loop_over_the_frames_may_detach(codec: ModuleType) -> None:
    decoder, got, rest = codec.Decoder(Framing(1)), [], b""
    decoder.push(b"\1a\1b\1c\2")
    for frame in decoder:
        got.append(frame)
        if frame == b"b":
            rest = decoder.detach()
    assert (got, rest) == ([b"a", b"b"], b"\1c\2")


def test_the_error_of_a_chunk_shows_when_the_iteration_comes_to_it(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1, max_frame_length=2))
    decoder.push(b"\1a\1b\3abc")
    frames = iter(decoder)
    assert [next(frames), next(frames), decoder.error] == [b"a", b"b", None]
    assert list(frames) == []
    assert isinstance(decoder.error, FrameTooLarge)
    assert decoder.undecoded == 3


def test_the_end_of_the_stream_is_no_end_of_what_is_not_decoded_yet(codec: ModuleType) -> None:
    """Whole frames that nobody has asked for yet are not an unfinished one."""
    decoder = codec.Decoder(Framing(1))
    decoder.push(b"\1a\1b")
    with suppress(RuntimeError):  # to refuse is as good as to wait
        decoder.feed_eof()
    assert decoder.error is None
    assert list(decoder) == [b"a", b"b"]


@pytest.mark.parametrize("oversize", ["discard", "stream"])
def test_the_end_before_the_rest_of_an_oversized_frame_is_decoded_is_told_in_its_place(
    codec: ModuleType, oversize: Any
) -> None:
    decoder = codec.Decoder(Framing(2, max_frame_length=3, oversize=oversize))
    decoder.feed(b"\0\1a\0\x09123")
    decoder.push(b"45")
    with suppress(RuntimeError, FrameTruncated):
        decoder.feed_eof()
    assert decoder.error is None or decoder.error.stream_offset == 3


# Feeding a decoder that is decoding


@contextmanager
def collector_that_calls(intrude: Callable[[], Any]) -> Iterator[SimpleNamespace]:
    """Run the garbage collector at every chance, and `intrude` from it while `inside`; `told` is how that went."""
    run = SimpleNamespace(inside=False, told=[])

    def callback(phase: str, info: dict[str, int]) -> None:
        if run.inside:
            try:
                run.told.append(f"got {intrude()}")
            except (RuntimeError, FramingError):
                run.told.append("refused")

    thresholds = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        yield run
    finally:
        gc.callbacks.remove(callback)
        gc.set_threshold(*thresholds)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the collector runs between bytecodes there")
@pytest.mark.parametrize("oversize", ["error", "stream"])
def test_feeding_from_the_collector_while_decoding_is_refused(codec: ModuleType, oversize: Any) -> None:
    decoder, chunk = codec.Decoder(Framing(1, max_frame_length=1, oversize=oversize)), bytearray(b"\1a\2bc\1f\3gh")
    with collector_that_calls(lambda: decoder.feed(b"")) as run:
        run.inside = True
        frames = decoder.feed(chunk)
        run.inside = False
    assert frames == ([b"a"] if oversize == "error" else [b"a", b"bc", b"f", b"gh"])
    assert run.told, "the collector never ran"
    assert set(run.told) == {"refused"}


if sys.version_info >= (3, 12):

    class Intruder:
        """A buffer whose owner feeds the decoder that asks for it, and the decoder that lets go of it."""

        def __init__(self, data: bytes, asked: Callable[[], Any], released: Callable[[], Any] = lambda: None) -> None:
            self.data, self.asked, self.released = data, asked, released

        def __buffer__(self, flags: int) -> memoryview:
            self.asked()
            return memoryview(self.data)

        def __release_buffer__(self, view: memoryview) -> None:
            self.released()

    def test_feeding_while_the_decoder_asks_for_the_bytes_is_refused(codec: ModuleType) -> None:
        decoder = codec.Decoder(Framing(1))

        def intrude() -> None:
            with pytest.raises(RuntimeError, match="still decoding"):
                decoder.feed(b"\1x")

        for call in (decoder.feed, lambda data: push_all(decoder, data)):
            assert call(Intruder(b"\1a\1b", intrude)) == [b"a", b"b"]
        assert decoder.stream_offset == 8

    @pytest.mark.parametrize("way", ["feed", "push"])
    def test_feeding_while_the_decoder_lets_go_of_the_bytes_loses_nothing(codec: ModuleType, way: str) -> None:
        decoder = codec.Decoder(Framing(1))
        fed, got = [b"\1a\1b"], []

        def intrude() -> None:
            with suppress(RuntimeError):
                decoder.push(b"\1x")
                fed.append(b"\1x")

        data = Intruder(b"\1a\1b", lambda: None, intrude)
        got += decoder.feed(data) if way == "feed" else push_all(decoder, data)
        del data
        got += decoder
        assert sorted(got) == sorted([b"a", b"b"] + [b"x"] * (len(fed) - 1))
        assert decoder.stream_offset == sum(map(len, fed))
        assert decoder.buffered == 0

    @pytest.mark.parametrize("way", ["feed", "push"])
    def test_detaching_while_the_decoder_asks_for_the_bytes_is_refused(codec: ModuleType, way: str) -> None:
        decoder = codec.Decoder(Framing(1))
        decoder.feed(b"\2a")

        def intrude() -> None:
            with pytest.raises(RuntimeError, match="still decoding"):
                decoder.detach()

        data = Intruder(b"b\1c", intrude)
        assert (decoder.feed(data) if way == "feed" else push_all(decoder, data)) == [b"ab", b"c"]


# Buffers that the decoder lends


@pytest.mark.parametrize("sizehint", [-1, 0, 1, 5, 4096, 10 * MIB])
def test_a_lent_buffer_is_never_empty_and_never_huge(codec: ModuleType, sizehint: int) -> None:
    view = codec.Decoder(Framing(1)).get_buffer(sizehint)
    assert isinstance(view, memoryview)
    assert not view.readonly
    assert (view.format, view.ndim, view.itemsize) == ("B", 1, 1)
    assert 1 <= len(view) <= 256 * KIB
    if 0 < sizehint <= 4096:
        assert len(view) == sizehint


def test_more_bytes_than_were_lent_are_refused(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    for count in (-1, 5):
        decoder.get_buffer(4)
        with pytest.raises(ValueError, match=f"nbytes is {count}, get_buffer\\(\\) offered 4"):
            decoder.buffer_updated(count)
    assert (decoder.stream_offset, decoder.buffered) == (0, 0)


@pytest.mark.parametrize("count", [None, "1", 1.5, b"1"])
def test_a_count_that_is_no_number_is_refused(codec: ModuleType, count: Any) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.get_buffer(4)
    with pytest.raises(TypeError):
        decoder.buffer_updated(count)
    assert (decoder.stream_offset, decoder.buffered) == (0, 0)


class Shifty:
    """A number that is another one each time it is asked, and does something each time."""

    def __init__(self, *numbers: int, then: Callable[[], Any] = lambda: None) -> None:
        self.numbers, self.then = list(numbers), then

    def __index__(self) -> int:
        self.then()
        return self.numbers.pop(0) if len(self.numbers) > 1 else self.numbers[0]


class Liar(int):
    """An int that says of every comparison that it holds."""

    def __lt__(self, other: object) -> bool:
        return True

    __le__ = __gt__ = __ge__ = __lt__


def test_a_count_is_asked_for_once(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.get_buffer(4)[:2] = b"\1a"
    assert decoder.buffer_updated(Shifty(2, 1 << 40)) == [b"a"]
    decoder.get_buffer(4)
    with pytest.raises(ValueError, match=f"nbytes is {1 << 80}, get_buffer"):
        decoder.buffer_updated(Shifty(1 << 80))


def test_a_count_that_detaches_the_decoder_adds_nothing_to_it(codec: ModuleType) -> None:
    decoder, _ = large_in_flight(codec, 300_000, 70_000)
    decoder.get_buffer()
    with pytest.raises(RuntimeError, match="detached"):
        decoder.buffer_updated(Shifty(100, then=decoder.detach))


def test_a_count_that_lies_about_its_size_is_refused(codec: ModuleType) -> None:
    decoder, _ = large_in_flight(codec, 300_000, 70_000)
    room = len(decoder.get_buffer())
    with pytest.raises(ValueError, match=f"nbytes is 300000, get_buffer\\(\\) offered {room}"):
        decoder.buffer_updated(Liar(300_000))
    assert decoder.buffered == 70_004


@pytest.mark.parametrize(("hint", "size"), [(Shifty(5, -1), 5), (Liar(-3), 64 * KIB), (Liar(1 << 80), 256 * KIB)])
def test_a_hint_is_asked_for_once_and_only_its_number_counts(codec: ModuleType, hint: Any, size: int) -> None:
    if isinstance(hint, Shifty):
        hint = Shifty(*hint.numbers)  # one for each twin
    assert len(codec.Decoder(Framing(1)).get_buffer(hint)) == size


def test_a_limit_that_lies_about_its_size_is_cut_as_others_are(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(8))
    decoder.max_frame_length = Liar(9)
    assert (decoder.max_frame_length, type(decoder.max_frame_length)) == (9, int)


def test_a_framing_that_was_never_validated_is_refused(codec: ModuleType) -> None:
    class Unchecked(Framing):
        def __post_init__(self) -> None:
            """Forget what the base validates."""

    for framing in (Unchecked(length_field_offset=-100), Unchecked(100), Unchecked(length_field_offset=1 << 30)):
        with pytest.raises(ValueError, match=r"was not validated; call super\(\).__post_init__\(\)"):
            codec.Decoder(framing)


def test_a_buffer_counts_once(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    with pytest.raises(RuntimeError, match="without a get_buffer"):
        decoder.buffer_updated(0)
    view = decoder.get_buffer(4)
    view[:2] = b"\1a"
    assert decoder.buffer_updated(2) == [b"a"]
    with pytest.raises(RuntimeError, match="without a get_buffer"):
        decoder.buffer_updated(2)


def test_a_buffer_counts_no_more_when_something_was_fed_since(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    for call in (decoder.feed, lambda data: push_all(decoder, data)):
        decoder.get_buffer(4)
        assert call(b"\1a") == [b"a"]
        with pytest.raises(RuntimeError, match="without a get_buffer"):
            decoder.buffer_updated(2)


def test_a_read_that_brought_nothing_changes_nothing(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    decoder.feed(b"\3a")
    decoder.get_buffer()
    assert decoder.buffer_updated(0) == []
    assert (decoder.stream_offset, decoder.buffered, decoder.wanted) == (0, 2, 2)
    assert decoder.feed(b"bc") == [b"abc"]


def test_a_new_buffer_takes_the_place_of_the_old_one(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(1))
    old, new = decoder.get_buffer(4), decoder.get_buffer(4)
    old[:2], new[:2] = b"\1x", b"\1a"
    assert decoder.buffer_updated(2) == [b"a"]


def large_in_flight(codec: ModuleType, size: int, arrived: int) -> tuple[Any, bytes]:
    """Return a decoder with a large body in flight, and the body's bytes that have not come yet."""
    body = random.Random(size).randbytes(size)
    decoder = codec.Decoder(Framing(4))
    assert decoder.feed(size.to_bytes(4, "big") + body[:arrived]) == []
    return decoder, body[arrived:]


def test_a_large_body_may_be_read_in_place_and_fed_by_turns(codec: ModuleType) -> None:
    dice = random.Random("by turns")
    decoder, rest = large_in_flight(codec, 700_001, 70_000)
    body, got, kept = rest, [], []
    while rest and not got:
        view = decoder.get_buffer()
        kept.append(view)
        count = min(dice.choice([0, 1, 1000, 70_000]), len(view), len(rest))
        view[:count] = rest[:count]
        got += decoder.buffer_updated(count)
        got += decoder.feed(rest[count : count + 999])
        rest = rest[count + 999 :]
    assert rest == b""
    assert got[0][70_000:] == body
    assert decoder.buffered == 0


def test_a_view_that_was_kept_reaches_no_other_frame(codec: ModuleType) -> None:
    """Writing into a lent buffer after its turn may spoil the frame it was lent for, never another one."""
    decoder, rest = large_in_flight(codec, 300_000, 70_000)
    views = []
    while len(rest) > 1000:
        view = decoder.get_buffer()
        views.append(view)
        count = min(20_000, len(view), len(rest) - 1000)
        view[:count] = rest[:count]
        assert decoder.buffer_updated(count) == []
        rest = rest[count:]
    next_ones = [bytes([number]) * 80_000 for number in range(5)]
    frames = decoder.feed(rest + b"".join((80_000).to_bytes(4, "big") + body for body in next_ones))
    for view in views:
        view[:] = b"\xff" * len(view)
    assert frames[1:] == next_ones
    assert decoder.feed(b"\0\0\0\2ok") == [b"ok"]


def test_a_view_that_was_kept_outlives_its_decoder(codec: ModuleType) -> None:
    decoder, rest = large_in_flight(codec, 300_000, 70_000)
    view, small = decoder.get_buffer(), codec.Decoder(Framing(1)).get_buffer()
    decoder.feed(rest)
    del decoder
    gc.collect()
    view[:] = b"\xee" * len(view)
    small[:] = b"\xee" * len(small)
    assert set(view.tobytes()) == set(small.tobytes()) == {0xEE}


def test_a_buffer_lent_before_a_frame_ended_counts_no_more_behind_it(codec: ModuleType) -> None:
    decoder, rest = large_in_flight(codec, 300_000, 70_000)
    view = decoder.get_buffer()
    assert len(decoder.feed(rest)) == 1
    view[:] = bytes(len(view))
    with pytest.raises(RuntimeError, match="without a get_buffer"):
        decoder.buffer_updated(len(view))


def test_detaching_takes_along_what_was_read_in_place(codec: ModuleType) -> None:
    decoder, rest = large_in_flight(codec, 300_000, 70_000)
    view = decoder.get_buffer()
    view[:500] = rest[:500]
    decoder.buffer_updated(500)
    decoder.get_buffer()[:3] = b"not"
    assert decoder.detach()[70_004:] == rest[:500]
    with pytest.raises(RuntimeError, match="detached"):
        decoder.buffer_updated(3)


# Memory


@pytest.mark.parametrize("oversize", ["error", "discard", "stream"])
@pytest.mark.parametrize("length", [(1 << 31) + 10, (1 << 32) + 10])
def test_a_length_is_counted_whole_whatever_a_word_of_the_machine_holds(
    codec: ModuleType, oversize: Any, length: int
) -> None:
    framing = Framing(8, max_frame_length=1 << 62, oversize=oversize)
    decoder = codec.Decoder(framing)
    if oversize != "error":
        decoder.max_frame_length = 9
    frames = decoder.feed(length.to_bytes(8, "big") + b"x" * 1000)
    if decoder.error is None:
        frames += decoder.feed(b"y" * 100_000)
        assert b"".join(frames) == (b"x" * 1000 + b"y" * 100_000 if oversize == "stream" else b"")
        assert (decoder.wanted, decoder.unfinished) == (length - 101_000, True)
    else:
        assert (frames, decoder.error.limit) == ([], verdicts.MAX_BODY)


def test_a_header_allocates_nothing(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(4, max_frame_length=1 << 31))
    with traced() as memory:
        decoder.feed((1 << 30).to_bytes(4, "big"))
        decoder.feed(b"x")
        assert memory.peak < 8 * KIB
        assert memory.now < 4 * KIB
        put(decoder, b"y")
        assert memory.peak < SLACK
    assert decoder.wanted == (1 << 30) - 2


@pytest.mark.parametrize("way", ["feed", "put"])
@pytest.mark.parametrize("strip", [None, 0, 10], ids=str)
def test_memory_grows_with_what_arrived_and_at_most_twice(codec: ModuleType, way: str, strip: int | None) -> None:
    decoder, chunk = codec.Decoder(Framing(4, strip=strip, max_frame_length=1 << 30)), bytes(10_000)
    decoder.feed((1 << 29).to_bytes(4, "big"))
    with traced() as memory:
        for number in range(1, 400):
            put(decoder, chunk) if way == "put" else decoder.feed(chunk)
            assert memory.peak <= 2 * number * len(chunk) + SLACK
        assert decoder.buffered == 399 * len(chunk) + 4


@pytest.mark.parametrize("way", ["feed", "put"])
@pytest.mark.parametrize("strip", [None, 0, 2, 10], ids=str)
def test_completing_a_large_frame_takes_no_more_than_twice_its_size(
    codec: ModuleType, way: str, strip: int | None
) -> None:
    size, chunk = 8 * MIB, bytes(64 * KIB)
    decoder = codec.Decoder(Framing(4, strip=strip, max_frame_length=size))
    with traced() as memory:
        frames = decoder.feed(size.to_bytes(4, "big"))
        while not frames:
            frames = put(decoder, chunk) if way == "put" else decoder.feed(chunk)
        assert memory.peak <= 2.25 * size + SLACK  # a bytearray may take an eighth more than it needs
    assert len(frames[0]) == size + 4 - (4 if strip is None else strip)


@each_oversize
@pytest.mark.parametrize("way", [lambda d, data: d.feed(data), put, push_all], ids=["feed", "put", "push"])
def test_an_idle_decoder_holds_nothing(
    codec: ModuleType, way: Callable[[Any, bytes], list[bytes]], oversize: Any
) -> None:
    framing = Framing(4, max_frame_length=500_000, oversize=oversize)
    wire = (300_000).to_bytes(4, "big") + bytes(300_000)
    if oversize != "error":
        wire += (600_000).to_bytes(4, "big") + bytes(600_000)
    with traced() as memory:
        decoder = codec.Decoder(framing)
        born = memory.now
        for chunk in (wire, wire[:150_000], wire[150_000:], b"\0\0\0\1z" * 10):
            way(decoder, bytearray(chunk))
        assert decoder.buffered == 0
        assert memory.now < born + KIB


@pytest.mark.parametrize("framing", [Framing.delimited(), Framing.delimited(b"\r\n"), Framing.fixed(500)], ids=repr)
def test_an_idle_decoder_of_lines_or_records_holds_nothing(codec: ModuleType, framing: Framing) -> None:
    line = bytes(500 - len(framing.delimiter)) + framing.delimiter
    with traced() as memory:
        decoder = codec.Decoder(framing)
        born = memory.now
        assert len(decoder.feed(line * 600)) == 600
        assert (decoder.undecoded, decoder.buffered) == (0, 0)
        assert memory.now < born + KIB


def test_an_idle_decoder_that_was_iterated_to_the_last_frame_holds_nothing(codec: ModuleType) -> None:
    """As a protocol does that stops asking when nothing is undecoded."""
    with traced() as memory:
        decoder = codec.Decoder(Framing(4))
        born = memory.now
        decoder.push((300_000).to_bytes(4, "big") + bytes(300_000))
        next(iter(decoder))
        assert (decoder.undecoded, decoder.buffered) == (0, 0)
        assert memory.now < born + KIB


def test_many_idle_decoders_are_small(codec: ModuleType) -> None:
    framing = Framing(4)
    with traced() as memory:
        decoders = [codec.Decoder(framing) for _ in range(1000)]
        for decoder in decoders:
            decoder.feed(b"\0\0\0\1x")
        assert memory.now < 1000 * 2 * KIB


@pytest.mark.parametrize("make", [bytes, bytearray], ids=["bytes", "bytearray"])
def test_a_small_frame_that_is_kept_pins_no_chunk(codec: ModuleType, make: Callable[[bytes], Any]) -> None:
    decoder = codec.Decoder(Framing(4))
    with traced() as memory:
        chunk = make(b"\0\0\0\5small" + (MIB).to_bytes(4, "big") + bytes(MIB) + b"\0\0\0\4tail")
        small, _, tail = decoder.feed(chunk)
        del chunk, _
        assert memory.now < 4 * KIB
    assert (small, tail) == (b"small", b"tail")


@pytest.mark.parametrize("oversize", ["error", "stream"])
def test_a_frame_that_is_kept_takes_its_own_size(codec: ModuleType, oversize: Any) -> None:
    """Built up in a buffer that grew by halves, it gives back what it doesn't need; a piece pins no chunk either."""
    framing = Framing(4, max_frame_length=10 if oversize == "stream" else MIB, oversize=oversize)
    decoder, kept = codec.Decoder(framing), []
    with traced() as memory:
        for _ in range(20):
            wire = (40_000).to_bytes(4, "big") + bytes(40_000)
            for chunk in in_cuts_of(wire + b"\0\0\0\0", 7000):
                kept += put(decoder, chunk)
        del chunk, wire
        assert sum(map(len, kept)) == 800_000
        assert memory.now < 800_000 + 700 * len(kept)


def test_bytes_of_a_partial_frame_pin_no_chunk(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing(4))
    with traced() as memory:
        chunk = (MIB).to_bytes(4, "big") + bytes(MIB) + b"\0\0\0\x64tail"
        decoder.feed(chunk)
        del chunk
        assert decoder.buffered == 8
        assert memory.now < 4 * KIB


# Size


def test_sixteen_mebibytes_trickle_in(codec: ModuleType) -> None:
    size, chunk = 16 * MIB, bytes(range(256)) * 4
    decoder = codec.Decoder(Framing(4, max_frame_length=size))
    assert decoder.feed(size.to_bytes(4, "big")) == []
    for _ in range(size // KIB - 1):
        assert decoder.feed(chunk) == []
    assert decoder.feed(chunk) == [chunk * (size // KIB)]


def test_sixteen_mebibytes_trickle_into_buffers_of_the_decoder(codec: ModuleType) -> None:
    size, chunk, frames = 16 * MIB, bytes(range(256)) * 4, []
    decoder = codec.Decoder(Framing(4, max_frame_length=size))
    decoder.feed(size.to_bytes(4, "big"))
    while not frames:
        view = decoder.get_buffer(KIB)
        view[:KIB] = chunk
        frames = decoder.buffer_updated(KIB)
    assert frames == [chunk * (size // KIB)]


@pytest.mark.parametrize("framing", [Framing(1), Framing.varint()], ids=repr)
def test_very_many_frames_of_one_byte_come_in_one_chunk(codec: ModuleType, framing: Framing) -> None:
    decoder = codec.Decoder(framing)
    assert decoder.feed(b"\1x" * (MIB // 4)) == [b"x"] * (MIB // 4)
    decoder.feed_eof()


def test_a_mebibyte_of_empty_frames_comes_in_one_chunk(codec: ModuleType) -> None:
    assert codec.Decoder(Framing(1)).feed(bytes(MIB)) == [b""] * MIB


def test_a_body_of_two_mebibytes_behind_a_varint(codec: ModuleType) -> None:
    """The length whose low 21 bits are zero: Netty read it as an empty frame (#17550)."""
    decoder, body = codec.Decoder(Framing.varint(max_frame_length=2 * MIB)), bytes(range(256)) * 8192
    assert [decoder.feed(each) for each in (b"\x80", b"\x80", b"\x80")] == [[], [], []]
    assert decoder.feed(b"\1" + body + b"\1z") == [body, b"z"]


# --- what a debugging person is shown


def test_a_decoder_tells_where_it_is(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing())
    assert repr(decoder) == "<Decoder stream_offset=0 buffered=0 wanted=4 discarded=0>"
    decoder.feed(b"\0\0\0\2hi\0\0\0\5he")
    assert repr(decoder) == "<Decoder stream_offset=6 buffered=6 wanted=3 discarded=0>"
    decoder.feed(b"llo" + b"\xff" * 4)
    assert repr(decoder) == f"<Decoder stream_offset=15 buffered=4 wanted=0 discarded=0 {decoder.error!r}>"


def test_a_decoder_that_was_detached_says_so(codec: ModuleType) -> None:
    decoder = codec.Decoder(Framing())
    decoder.detach()
    assert repr(decoder) == "<Decoder detached>"
