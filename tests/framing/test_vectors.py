"""The shared cases of vectors.json: what a stream means, whoever decodes it and however it was cut.

A case: `spec` (keywords of Framing, or of Framing.varint where it has max_varint_bytes), `chunks` and `frames` (hex),
`error` with its `stream_offset`, `header` (hex) and `length`, and `discarded` where it isn't 0. The end of the chunks
is the end of the stream. Pieces of one streamed frame are joined before they are compared, an unfinished one too.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reactor import Framing, FramingError, Piece
from reactor.testing import cuts

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
ENCODABLE = [case for case in CASES if not {"strip", "length_field_offset", "oversize"} & set(case["spec"])]

each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 80


@each_case
def test_a_case_as_it_was_cut_and_otherwise(codec: ModuleType, case: dict[str, Any]) -> None:
    """One test for them all: a thousand more would take longer to begin and to end than to run."""
    for way in (None, read_in_place, one_at_a_time):
        check(codec, case, [bytes.fromhex(chunk) for chunk in case["chunks"]], way)
    for chunks in cuts(stream_of(case), seed=case["name"]):
        check(codec, case, chunks)


@pytest.mark.parametrize("case", ENCODABLE, ids=[case["name"] for case in ENCODABLE])
def test_the_frames_of_a_case_encode_back_to_it(codec: ModuleType, case: dict[str, Any]) -> None:
    frames = [bytes.fromhex(frame) for frame in case["frames"]]
    encoded = codec.Encoder(framing_of(case)).encode_many(frames)
    assert codec.Decoder(framing_of(case)).feed(encoded) == frames
    if "max_varint_bytes" not in case["spec"]:  # a varint in the case need not be minimal
        assert stream_of(case).startswith(encoded)


def check(codec: ModuleType, case: dict[str, Any], chunks: list[bytes], way: Any = None) -> None:
    """Decode the chunks, and the end of the stream behind them; compare with what the case says."""
    decoder = codec.Decoder(framing_of(case))
    got: list[bytes] = []
    fed = 0
    for chunk in chunks:
        got += way(decoder, chunk) if way else decoder.feed(chunk)
        fed += len(chunk)
        assert decoder.stream_offset + decoder.buffered == fed
        if decoder.error is not None:
            break
    if decoder.error is None:
        with contextlib.suppress(FramingError):
            decoder.feed_eof()
    assert joined(got) == [bytes.fromhex(frame) for frame in case["frames"]]
    assert told(decoder.error) == expected(case)
    assert decoder.discarded == case.get("discarded", 0)


def read_in_place(decoder: Any, chunk: bytes) -> list[bytes]:
    view = decoder.get_buffer(max(1, len(chunk)))
    view[: len(chunk)] = chunk
    frames: list[bytes] = decoder.buffer_updated(len(chunk))
    return frames


def one_at_a_time(decoder: Any, chunk: bytes) -> list[bytes]:
    """Begin a new iteration for every frame."""
    decoder.push(chunk)
    frames = []
    while (frame := next(iter(decoder), None)) is not None:
        frames.append(frame)
    return frames


def told(error: FramingError | None) -> tuple[Any, ...]:
    if error is None:
        return (None,)
    return type(error).__name__, error.stream_offset, error.header.hex(), error.length


def expected(case: dict[str, Any]) -> tuple[Any, ...]:
    if case["error"] is None:
        return (None,)
    return case["error"], case["stream_offset"], case["header"], case["length"]


def joined(frames: Iterable[bytes]) -> list[bytes]:
    """Put the pieces of streamed frames together."""
    whole: list[bytes] = []
    is_open = False
    for frame in frames:
        if is_open:
            whole[-1] += frame
        else:
            whole.append(bytes(frame))
        is_open = isinstance(frame, Piece) and not frame.last
    return whole


def framing_of(case: dict[str, Any]) -> Framing:
    return Framing.varint(**case["spec"]) if "max_varint_bytes" in case["spec"] else Framing(**case["spec"])


def stream_of(case: dict[str, Any]) -> bytes:
    return bytes.fromhex("".join(case["chunks"]))
