"""The codec against its floor, the loop one writes by hand, and what else a Python program can get.

`benchmark` rows are pytest-benchmark's table. The ratios are measured in turns, and asserted: no duration ever is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from framers import FRAMING, Decode, chunk_for, decoders, fixed_decoders, line_decoders
from measure import Figure, compare, table

from reactor.framing import _codec_c, _codec_py

READ = 64 * 1024
SIZES = [16, 64, 1024]
DECODERS = decoders()
JOIN, COMPILED, PURE = "b''.join", "reactor compiled", "reactor pure"
TUNED, PLAIN = "struct loop, tuned", "struct loop, plain"


def bodies_of(size: int) -> list[bytes]:
    """Return as many bodies as one read brings."""
    return [bytes(size)] * (READ // (size + 4))


def encoders() -> dict[str, Callable[[list[bytes]], bytes]]:
    return {
        JOIN: b"".join,
        COMPILED: _codec_c.Encoder(FRAMING).encode_many,
        PURE: _codec_py.Encoder(FRAMING).encode_many,
    }


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("size", SIZES)
def test_decode(benchmark: Any, size: int, name: str) -> None:
    bodies = bodies_of(size)
    benchmark.group = f"decode a read of {len(bodies)} frames of {size} B"
    assert benchmark(DECODERS[name], chunk_for(name, bodies)) == bodies


@pytest.mark.parametrize("name", encoders())
@pytest.mark.parametrize("size", SIZES)
def test_encode_many(benchmark: Any, size: int, name: str) -> None:
    bodies = bodies_of(size)
    benchmark.group = f"encode {len(bodies)} bodies of {size} B"
    benchmark(encoders()[name], bodies)


def decoding(size: int) -> dict[str, Figure]:
    bodies = bodies_of(size)

    def run(decode: Decode, chunk: bytes) -> list[bytes]:
        return decode(chunk)

    runs = {name: partial(run, decode, chunk_for(name, bodies)) for name, decode in DECODERS.items()}
    return compare(runs, len(bodies))


@pytest.mark.parametrize("size", SIZES)
def test_decoding_keeps_its_ratios(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    figures = decoding(size)
    with capsys.disabled():
        print(table(f"decode, {size} B a frame, ns a frame", figures, "floor"))
    least = {name: figure.least for name, figure in figures.items()}
    assert least[COMPILED] <= 1.35 * least["floor"]
    assert least[COMPILED] <= least["msgpack"]
    assert least[PURE] <= least[PLAIN]
    assert least[PURE] <= 2 * least[TUNED]
    if size < 1024:  # above, every way pays for the same memcpy and the ratio measures that
        assert 7 * least[COMPILED] <= least[TUNED]
        assert 20 * least[COMPILED] <= least["Twisted"]


@pytest.mark.parametrize("size", SIZES)
def test_finding_lines_keeps_its_ratios(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = [b"x" * size] * (READ // (size + 1))
    chunk = b"".join(body + b"\n" for body in bodies)
    figures = compare({name: partial(decode, chunk) for name, decode in line_decoders().items()}, len(bodies))
    with capsys.disabled():
        print(table(f"lines, {size} B each, ns a line", figures, "floor"))
    least = {name: figure.least for name, figure in figures.items()}
    assert least[COMPILED] <= 1.3 * least["floor"]
    assert least[COMPILED] <= least["bytes.split"]
    assert 10 * least[COMPILED] <= least["asyncio readuntil"]


@pytest.mark.parametrize("size", SIZES)
def test_cutting_frames_of_one_size_keeps_its_ratio(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = [bytes(size)] * (READ // size)
    chunk = b"".join(bodies)
    figures = compare({name: partial(decode, chunk) for name, decode in fixed_decoders(size).items()}, len(bodies))
    with capsys.disabled():
        print(table(f"frames of {size} B without a header, ns a frame", figures, "floor"))
    assert figures[COMPILED].least <= 1.3 * figures["floor"].least


@pytest.mark.parametrize("size", SIZES)
def test_encoding_keeps_its_ratio(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = bodies_of(size)
    runs = {name: partial(encode, bodies) for name, encode in encoders().items()}
    figures = compare(runs, len(bodies))
    with capsys.disabled():
        print(table(f"encode_many, {size} B a body, ns a body", figures, JOIN))
    assert figures[COMPILED].least <= 1.6 * figures[JOIN].least
