"""The twins agree, with each other and with a third decoder that was written from the wire format alone."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reactor import Framing, FramingError, Piece
from reactor._mode import compiled_wanted
from reactor.framing import _codec_py as pure

MAX = 2**62  # the limit above all limits: verdicts.MAX_LENGTH

needs_extension = pytest.mark.skipif(compiled_wanted() is False, reason="the compiled twin is barred")
thorough = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    return importlib.import_module("reactor.framing._codec_c")


# The third decoder: a whole stream at once, no state, no speed.


@dataclass
class Told:
    """What a stream means: its frames, what broke it (class, length, header, offset), and how many were skipped."""

    frames: list[bytes] = field(default_factory=list)
    error: tuple[str, int | None, bytes, int] | None = None
    discarded: int = 0


def reference(framing: Framing, stream: bytes) -> Told:
    told, at = Told(), 0
    while at < len(stream) and told.error is None:
        at = one_frame(framing, stream, at, told)
    return told


def one_frame(framing: Framing, stream: bytes, at: int, told: Told) -> int:
    """Judge the frame at `at`; return where the next one begins."""
    size, length, fault = header_at(framing, stream[at:])
    header = stream[at : at + size]
    if length is None:
        told.error = (fault, None, header, at)
        return at
    body, strip = length + framing.length_adjustment, size if framing.strip is None else framing.strip
    over, whole = body > min(framing.max_frame_length, MAX), len(stream) >= at + size + body
    if body < 0:
        told.error = ("FrameCorrupt", body, header, at)
    elif over and framing.oversize == "error":
        told.error = ("FrameTooLarge", body, header, at)
    elif over and framing.oversize == "discard":
        told.discarded += 1
    elif strip > size + body:
        told.error = ("FrameCorrupt", body, header, at)
    elif whole or (over and stream[at + max(size, strip) :]):  # a streamed frame is told of as far as it came
        told.frames.append(stream[at + strip : at + size + body])
    if told.error is None and not whole:
        told.error = ("FrameTruncated", body, header, at)
    return at + size + body


def header_at(framing: Framing, rest: bytes) -> tuple[int, int | None, str]:
    """Return the size of the header, the length in it, and what is wrong with it if there is none."""
    offset, width = framing.length_field_offset, framing.length_field_length
    if width:
        size = offset + width
        if len(rest) < size:
            return len(rest), None, "FrameTruncated"
        return size, int.from_bytes(rest[offset:size], framing.byteorder), ""
    for size in range(offset + 1, min(len(rest), offset + framing.max_varint_bytes) + 1):
        digits = rest[offset:size]
        value = sum((digit & 0x7F) << 7 * place for place, digit in enumerate(digits))
        if len(digits) == framing.max_varint_bytes and digits[-1] > 0x7F:
            return size, None, "FrameCorrupt"
        if digits[-1] < 0x80:
            return (size, value, "") if value < 2**64 else (size, None, "FrameCorrupt")
    return len(rest), None, "FrameTruncated"


# What hypothesis draws.

WIDTHS = st.integers(1, 8)
SMALL = st.integers(0, 6)
LIMITS = st.one_of(st.integers(0, 40), st.sampled_from([1 << 20, 2**31, 2**64]))
ADJUSTMENTS = st.one_of(st.just(0), st.integers(-12, 12), st.sampled_from([-MAX, MAX, -256, -255]))
STRIPS = st.one_of(st.none(), st.integers(0, 30))
BYTES = st.binary(max_size=12)


@st.composite
def framings(draw: st.DrawFn) -> Framing:
    """Draw any Framing that may be built."""
    shape: dict[str, Any] = {
        "length_field_offset": draw(SMALL),
        "length_adjustment": draw(ADJUSTMENTS),
        "strip": draw(STRIPS),
        "max_frame_length": draw(LIMITS),
        "oversize": draw(st.sampled_from(["error", "discard", "stream"])),
    }
    with contextlib.suppress(ValueError):
        if draw(st.booleans()):
            return Framing.varint(max_varint_bytes=draw(st.integers(1, 10)), **shape)
        return Framing(draw(WIDTHS), draw(st.sampled_from(["big", "little"])), **shape)
    assume(False)
    raise AssertionError


def wire(framing: Framing, prefix: bytes, length: int, body: bytes, pad: int) -> bytes:
    """Write a header that may say anything; `pad` makes a varint longer than it need be."""
    if framing.length_field_length:
        width = framing.length_field_length
        return prefix + (length % 256**width).to_bytes(width, framing.byteorder) + body
    digits = [length >> place & 0x7F for place in range(0, max(1, length.bit_length()), 7)] + [0] * pad
    return prefix + bytes(digit | 0x80 for digit in digits[:-1]) + bytes(digits[-1:]) + body


@st.composite
def streams(draw: st.DrawFn, framing: Framing) -> bytes:
    """Draw frames, good ones above all, with a flipped bit or garbage now and then, and perhaps cut off."""
    stream = b""
    for _ in range(draw(st.integers(0, 6))):
        body = draw(BYTES if draw(st.integers(0, 3)) else st.binary(max_size=60))
        length = max(0, len(body) - framing.length_adjustment)
        if not draw(st.integers(0, 15)):
            length = draw(st.integers(0, 2**64 + 1))
        prefix = draw(st.binary(min_size=framing.length_field_offset, max_size=framing.length_field_offset))
        stream += wire(framing, prefix, length, body, draw(st.sampled_from([0, 0, 0, 1, 2])))
    kind = draw(st.sampled_from(["whole", "whole", "flip", "garbage", "short"]))
    if kind == "garbage":
        return stream + draw(st.binary(max_size=30))
    if kind == "short":
        return stream[: len(stream) - draw(st.integers(0, 5))]
    if kind == "flip" and stream:
        bit = draw(st.integers(0, 8 * len(stream) - 1))
        return stream[: bit // 8] + bytes([stream[bit // 8] ^ 1 << bit % 8]) + stream[bit // 8 + 1 :]
    return stream


@st.composite
def cuts(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    if draw(st.booleans()):
        return [stream[i : i + 1] for i in range(len(stream))]
    marks = draw(st.lists(st.integers(0, len(stream)), max_size=8))
    return [stream[start:end] for start, end in itertools.pairwise([0, *sorted(marks), len(stream)])]


FED = st.sampled_from(["feed", "bytearray", "view", "buffer", "lazily", "broken off"])


# How a decoder is asked.


def tell(frame: bytes) -> tuple[Any, ...]:
    if isinstance(frame, Piece):
        return "Piece", bytes(frame), frame.offset, frame.length, frame.last
    return type(frame).__name__, frame


def tell_error(error: BaseException | None) -> tuple[Any, ...] | None:
    if error is None:
        return None
    return type(error), str(error), *sorted(vars(error).items())


def state(decoder: Any) -> tuple[Any, ...]:
    numbers = (decoder.stream_offset, decoder.buffered, decoder.undecoded, decoder.wanted, decoder.discarded)
    return (*numbers, decoder.max_frame_length, tell_error(decoder.error))


def hand_in(decoder: Any, way: str, chunk: bytes) -> list[tuple[Any, ...]]:
    """Give the chunk to the decoder, one way or another; tell what it returns or raises, step by step."""
    try:
        return [*map(tell, take(decoder, way, chunk)), state(decoder)]
    except (FramingError, RuntimeError, ValueError) as error:
        return [("raised", tell_error(error)), state(decoder)]


def take(decoder: Any, way: str, chunk: bytes) -> list[bytes]:
    if way == "buffer":
        view = decoder.get_buffer(len(chunk) + 1)
        view[: len(chunk)] = chunk
        return list(decoder.buffer_updated(len(chunk)))
    if way in ("lazily", "broken off"):
        decoder.push(chunk)
        first = list(itertools.islice(iter(decoder), 2))
        return first if way == "broken off" else first + list(decoder)
    return list(decoder.feed({"bytearray": bytearray, "view": memoryview}.get(way, bytes)(chunk)))


def joined(frames: list[bytes]) -> list[bytes]:
    whole: list[bytes] = []
    is_open = False
    for frame in frames:
        if is_open:
            whole[-1] += frame
        else:
            whole.append(bytes(frame))
        is_open = isinstance(frame, Piece) and not frame.last
    return whole


def all_told(codec: ModuleType, framing: Framing, chunks: list[bytes]) -> Told:
    """Decode the chunks and the end behind them, and tell it as the reference does."""
    decoder = codec.Decoder(framing)
    frames: list[bytes] = []
    for chunk in chunks:
        frames += decoder.feed(chunk)
        if decoder.error is not None:
            break
    else:
        with contextlib.suppress(FramingError):
            decoder.feed_eof()
    error = decoder.error
    told = error and (type(error).__name__, error.length, error.header, error.stream_offset)
    return Told(joined(frames), told, decoder.discarded)


# The tests.


@pytest.mark.parametrize(
    "case", json.loads((Path(__file__).parent / "vectors.json").read_text()), ids=lambda c: c["name"]
)
def test_the_reference_reads_the_shared_cases_as_they_are_written(case: dict[str, Any]) -> None:
    make = Framing.varint if "max_varint_bytes" in case["spec"] else Framing
    told = reference(make(**case["spec"]), bytes.fromhex("".join(case["chunks"])))
    error = told.error and (told.error[0], told.error[3], told.error[2].hex(), told.error[1])
    assert [frame.hex() for frame in told.frames] == case["frames"]
    assert error == (case["error"] and (case["error"], case["stream_offset"], case["header"], case["length"]))
    assert told.discarded == case.get("discarded", 0)


@thorough
@given(st.data())
def test_the_pure_twin_agrees_with_the_reference(data: st.DataObject) -> None:
    framing = data.draw(framings())
    stream = data.draw(streams(framing))
    assert all_told(pure, framing, data.draw(cuts(stream))) == reference(framing, stream)


@needs_extension
@thorough
@given(data=st.data())
def test_the_compiled_twin_agrees_with_the_reference(compiled: ModuleType, data: st.DataObject) -> None:
    framing = data.draw(framings())
    stream = data.draw(streams(framing))
    assert all_told(compiled, framing, data.draw(cuts(stream))) == reference(framing, stream)


@needs_extension
@thorough
@given(data=st.data())
def test_the_twins_agree_at_every_step(compiled: ModuleType, data: st.DataObject) -> None:
    framing = data.draw(framings())
    chunks = data.draw(cuts(data.draw(streams(framing))))
    one, other = pure.Decoder(framing), compiled.Decoder(framing)
    for chunk in chunks:
        way = data.draw(FED)
        if data.draw(st.integers(0, 9)) == 0:
            one.max_frame_length = other.max_frame_length = data.draw(LIMITS)
        assert hand_in(one, way, chunk) == hand_in(other, way, chunk)
    if data.draw(st.booleans()):
        assert ending(one) == ending(other)
        assert state(one) == state(other)
    assert one.detach() == other.detach()
    assert state(one) == state(other)
    assert hand_in(one, "feed", b"x") == hand_in(other, "feed", b"x")


def ending(decoder: Any) -> Any:
    try:
        return decoder.feed_eof()
    except (FramingError, RuntimeError) as error:
        return tell_error(error)


@needs_extension
@thorough
@given(data=st.data())
def test_the_twins_encode_alike_and_what_they_encode_decodes(compiled: ModuleType, data: st.DataObject) -> None:
    framing = data.draw(framings())
    one, other = pure.Encoder(framing), compiled.Encoder(framing)
    size = framing.length_field_offset
    for body in data.draw(st.lists(st.binary(max_size=50), max_size=5)):
        prefix = data.draw(st.one_of(st.binary(min_size=size, max_size=size), BYTES))
        frame = attempt(one.encode, body, prefix)
        assert frame == attempt(other.encode, body, prefix)
        if isinstance(frame, bytes):
            told = reference(framing, frame)
            strip = len(frame) - len(body) if framing.strip is None else framing.strip
            assert told.frames == ([frame[strip:]] if strip <= len(frame) else [])
            assert all_told(pure, framing, [frame]) == all_told(compiled, framing, [frame]) == told


@needs_extension
@thorough
@given(data=st.data())
def test_the_twins_encode_many_alike(compiled: ModuleType, data: st.DataObject) -> None:
    framing = data.draw(framings())
    bodies = data.draw(st.lists(st.binary(max_size=50), max_size=5))
    joined_up = attempt(pure.Encoder(framing).encode_many, bodies)
    assert joined_up == attempt(compiled.Encoder(framing).encode_many, bodies)
    if isinstance(joined_up, bytes):
        assert joined_up == b"".join(framing.encode(body) for body in bodies)


def attempt(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except (FramingError, ValueError) as error:
        return tell_error(error)


@thorough
@given(data=st.data())
def test_what_comes_out_does_not_depend_on_the_cut(data: st.DataObject) -> None:
    framing = data.draw(framings())
    stream = data.draw(streams(framing))
    assert all_told(pure, framing, data.draw(cuts(stream))) == all_told(pure, framing, [stream])


@needs_extension
@pytest.mark.parametrize("name", ["Decoder", "Encoder", "DelimitedEncoder", "CustomEncoder"])
def test_the_twins_have_the_same_public_names_and_signatures(compiled: ModuleType, name: str) -> None:
    assert signatures(getattr(pure, name)) == signatures(getattr(compiled, name))


@needs_extension
@pytest.mark.parametrize("name", ["Decoder", "Encoder", "DelimitedEncoder", "CustomEncoder"])
def test_the_twins_say_the_same_of_themselves(compiled: ModuleType, name: str) -> None:
    """The compiled twin may add to a docstring, never contradict it."""
    one, other = getattr(pure, name), getattr(compiled, name)
    assert inspect.getdoc(one) == inspect.getdoc(other)
    for each in signatures(one):
        assert (inspect.getdoc(getattr(other, each)) or "").startswith(inspect.getdoc(getattr(one, each)) or "?"), each


@needs_extension
@pytest.mark.parametrize("special", ["__iter__", "__next__", "__len__", "__reduce__"])
def test_the_twins_have_the_same_special_methods(compiled: ModuleType, special: str) -> None:
    assert hasattr(pure.Decoder, special) == hasattr(compiled.Decoder, special)


def signatures(kind: type) -> dict[str, list[tuple[str, Any]] | str]:
    """Return each public name of a class: the parameters of a method, or whether a property can be set."""
    found: dict[str, list[tuple[str, Any]] | str] = {}
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        if name.startswith("_"):
            continue
        if inspect.isdatadescriptor(member):
            found[name] = "property"
        else:
            parameters = inspect.signature(getattr(kind, name)).parameters.values()
            found[name] = [(each.name, each.default) for each in parameters]
    return found


@needs_extension
@pytest.mark.parametrize("name", ["buffered", "discarded", "error", "stream_offset", "undecoded", "wanted"])
def test_what_the_twins_tell_of_themselves_can_not_be_set(compiled: ModuleType, name: str) -> None:
    for codec in (pure, compiled):
        with pytest.raises(AttributeError):
            setattr(codec.Decoder(Framing()), name, 1)


# Cases in which it would be easy to differ.


def both(compiled: ModuleType, framing: Framing | None = None) -> tuple[Any, Any]:
    framing = framing or Framing(2)
    return pure.Decoder(framing), compiled.Decoder(framing)


@needs_extension
@pytest.mark.parametrize("data", ["text", None, 5, [1], object()])
def test_the_twins_refuse_the_same_types_with_the_same_words(compiled: ModuleType, data: Any) -> None:
    words = []
    for decoder in both(compiled):
        with pytest.raises(TypeError) as caught:
            decoder.feed(data)
        assert decoder.feed(b"\0\1x") == [b"x"], "a refused chunk does no harm"
        words.append(str(caught.value))
    assert words[0] == words[1]


@needs_extension
@pytest.mark.parametrize("nbytes", [-1, 5, 1 << 20])
def test_the_twins_refuse_the_same_counts_with_the_same_words(compiled: ModuleType, nbytes: int) -> None:
    told = []
    for decoder in both(compiled):
        decoder.get_buffer(4)
        with pytest.raises((ValueError, OverflowError)) as caught:
            decoder.buffer_updated(nbytes)
        told.append((type(caught.value), str(caught.value)))
    assert told[0] == told[1]


@needs_extension
def test_the_twins_are_in_the_same_state_after_a_refused_count(compiled: ModuleType) -> None:
    told = []
    for decoder in both(compiled):
        view = decoder.get_buffer(4)
        view[:3] = b"\0\1x"
        with pytest.raises(ValueError, match="nbytes"):
            decoder.buffer_updated(5)
        try:
            told.append(decoder.buffer_updated(3))
        except RuntimeError as error:
            told.append(str(error))
    assert told[0] == told[1]


@needs_extension
@pytest.mark.parametrize("sizehint", [-5, -1, 0, 1, 1000, 1 << 20])
def test_the_twins_offer_the_same_room(compiled: ModuleType, sizehint: int) -> None:
    one, other = both(compiled)
    assert len(one.get_buffer(sizehint)) == len(other.get_buffer(sizehint))


@needs_extension
def test_an_iterator_of_either_twin_goes_on_with_the_next_chunk(compiled: ModuleType) -> None:
    told = []
    for decoder in both(compiled):
        frames = iter(decoder)
        decoder.push(b"\0\1a")
        first = list(frames)
        decoder.push(b"\0\1b")
        told.append((first, list(frames), list(decoder)))
    assert told[0] == told[1]


@needs_extension
def test_the_twins_judge_many_bodies_in_the_same_order(compiled: ModuleType) -> None:
    """The first bad body is the one that is reported, whatever is wrong with the ones behind it."""
    framing = Framing(1, max_frame_length=3)
    bodies: list[Any] = [b"ok", b"too long", "no bytes"]
    kinds = []
    for codec in (pure, compiled):
        with pytest.raises((FramingError, TypeError)) as caught:
            codec.Encoder(framing).encode_many(bodies)
        kinds.append(type(caught.value))
    assert kinds[0] == kinds[1]


@needs_extension
@pytest.mark.parametrize("keep", [0, 1, 3, 4, 9, 20])
def test_the_twins_agree_when_the_end_comes_inside_a_frame(compiled: ModuleType, keep: int) -> None:
    told = []
    for decoder in both(compiled, Framing(4, max_frame_length=100)):
        decoder.feed(b"\0\0\0\x20 and no more than this"[:keep])
        told.append((ending(decoder), state(decoder), decoder.detach(), state(decoder)))
    assert told[0] == told[1]


@needs_extension
@pytest.mark.parametrize("oversize", ["discard", "stream"])
@pytest.mark.parametrize("iterated", [True, False])
def test_the_twins_agree_when_the_end_comes_inside_an_oversized_frame(
    compiled: ModuleType, oversize: Any, iterated: bool
) -> None:
    told = []
    for decoder in both(compiled, Framing(2, max_frame_length=3, oversize=oversize)):
        decoder.feed(b"\0\x09123")
        decoder.push(b"45")
        if iterated:
            list(decoder)
        told.append((ending(decoder), state(decoder), decoder.detach(), state(decoder)))
    assert told[0] == told[1]
