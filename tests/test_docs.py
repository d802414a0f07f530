"""The documents are true: every drawing of docs/framing.md is decoded and encoded, every Python block runs.

A ```frame block holds drawings, parted by empty lines. The first line of a drawing is a framing, each further one
begins with one of `WORDS`; an indented line is a remark. docs/framing.md says what the words mean.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from peers.conftest import missing

from reactor import Framing, FramingError, Piece, presets

DOCS = Path(__file__).parent.parent / "docs"
WORDS = {"encode", "wire", "frames", "headers", "error", "text", "discarded", "netty", "prepender", "tokio"}
Numbers = dict[str, int]


# ---- reading the drawings


@dataclass
class Drawing:
    name: str
    framing: Framing
    lines: dict[str, list[str]] = field(default_factory=dict)

    def said(self, word: str) -> str:
        return " ".join(self.lines.get(word, []))

    @property
    def wire(self) -> bytes:
        return b"".join(bytes_of(line) for line in self.lines["wire"])

    @property
    def encodes(self) -> list[tuple[bytes, bytes]]:
        """The bodies and their prefixes."""
        parts = [line.partition(" prefix ") for line in self.lines.get("encode", [])]
        return [(bytes_of(body), bytes_of(prefix)) for body, _, prefix in parts]

    @property
    def frames(self) -> list[tuple[type, bytes]]:
        """What is delivered: `bytes`, or `Piece` for a frame that comes in pieces."""
        items = [] if self.said("frames") == "-" else split_at_commas(self.said("frames"))
        return [
            (Piece, bytes_of(item[len("pieces ") :])) if item.startswith("pieces ") else (bytes, bytes_of(item))
            for item in items
        ]

    def numbers(self, word: str) -> Numbers:
        return {name: int(value) for name, value in re.findall(r"(\w+)=(-?\d+)", self.said(word))}


def bytes_of(text: str) -> bytes:
    """Read hex, "text", and `x3` for three times what is in front of it; a bar only parts them."""
    whole, last = b"", b""
    for token in re.findall(r'"[^"]*"|\S+', text):
        if re.fullmatch(r"x\d+", token):
            whole += last * (int(token[1:]) - 1)
        elif token != "|":
            last = token[1:-1].encode() if token.startswith('"') else bytes.fromhex(token)
            whole += last
    return whole


def split_at_commas(text: str) -> list[str]:
    return [item.strip() for item in re.findall(r'(?:"[^"]*"|[^",])+', text)]


def parse(name: str, lines: list[str]) -> Drawing:
    drawing = Drawing(name, eval(compile(lines[0], name, "eval"), {"Framing": Framing, "presets": presets}))
    for line in lines[1:]:
        if line.startswith(" "):
            continue
        word, _, rest = line.partition(" ")
        if word not in WORDS:
            raise ValueError(f"{name}: no drawing has a line {line!r}")
        drawing.lines.setdefault(word, []).append(rest.strip())
    if not {"wire", "frames"} <= set(drawing.lines):
        raise ValueError(f"{name} lacks its wire or its frames")
    return drawing


def blocks(path: Path, language: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the fenced blocks in one language, each with the number of its first line."""
    begin, lines = 0, path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if begin == 0:
            begin = number
            continue
        if lines[begin - 1] == f"```{language}":
            yield begin + 1, lines[begin : number - 1]
        begin = 0


def drawings() -> Iterator[Drawing]:
    for first, lines in blocks(DOCS / "framing.md", "frame"):
        numbered = list(enumerate(lines, first))
        for is_drawing, group in itertools.groupby(numbered, lambda pair: bool(pair[1].strip())):
            if is_drawing:
                part = list(group)
                yield parse(f"line {part[0][0]}", [line for _, line in part])


DRAWINGS = list(drawings())


def each_drawing(word: str) -> pytest.MarkDecorator:
    """Parametrize with every drawing that has such a line."""
    chosen = [drawing for drawing in DRAWINGS if word in drawing.lines]
    return pytest.mark.parametrize("drawing", chosen, ids=[drawing.name for drawing in chosen])


# ---- the drawings are true


@each_drawing("wire")
def test_a_drawing_is_what_a_decoder_does_in_one_chunk(codec: ModuleType, drawing: Drawing) -> None:
    check(codec, drawing, [drawing.wire])


@each_drawing("wire")
def test_a_drawing_is_what_a_decoder_does_byte_by_byte(codec: ModuleType, drawing: Drawing) -> None:
    check(codec, drawing, [bytes([byte]) for byte in drawing.wire])


@each_drawing("encode")
@pytest.mark.usefixtures("twin")
def test_what_a_drawing_encodes_is_its_wire(drawing: Drawing) -> None:
    framing = replace(drawing.framing)  # made here, so that it uses the test's twin
    assert b"".join(framing.encode(body, prefix) for body, prefix in drawing.encodes) == drawing.wire


@each_drawing("headers")
def test_the_headers_of_a_drawing_are_those_a_decoder_has(codec: ModuleType, drawing: Drawing) -> None:
    for chunks in [drawing.wire], [bytes([byte]) for byte in drawing.wire]:
        decoder = codec.Decoder(drawing.framing)
        headers = []
        for chunk in chunks:
            decoder.push(chunk)
            headers += [decoder.header for _ in decoder]
        assert headers == [bytes_of(item) for item in split_at_commas(drawing.said("headers"))]


def check(codec: ModuleType, drawing: Drawing, chunks: list[bytes]) -> None:
    """Decode the chunks and the end of the stream behind them; compare with what the drawing says."""
    frames, error, discarded = decoded(codec, drawing.framing, chunks)
    assert frames == drawing.frames
    assert (type(error).__name__ if error else "") == drawing.said("error")
    if "text" in drawing.lines:
        assert str(error) == drawing.said("text")
    assert discarded == int(drawing.said("discarded") or 0)


def decoded(
    codec: ModuleType, framing: Framing, chunks: list[bytes]
) -> tuple[list[tuple[type, bytes]], FramingError | None, int]:
    """Return the frames, those in pieces joined, what ended the stream, and the count of discarded frames."""
    decoder = codec.Decoder(framing)
    frames: list[bytes] = []
    for chunk in chunks:
        if decoder.error is None:
            frames += decoder.feed(chunk)
    if decoder.error is None:
        with contextlib.suppress(FramingError):
            decoder.feed_eof()
    return joined(frames), decoder.error, decoder.discarded


def joined(frames: list[bytes]) -> list[tuple[type, bytes]]:
    whole: list[tuple[type, bytes]] = []
    for frame in frames:
        if isinstance(frame, Piece) and frame.offset:
            whole[-1] = (Piece, whole[-1][1] + frame)
        else:
            whole.append((type(frame), bytes(frame)))
    return whole


def test_a_drawing_that_lies_is_found(codec: ModuleType) -> None:
    for lie in ['frames "hallo"', "frames -", 'frames pieces "hello"', 'frames "hello", ""']:
        with pytest.raises(AssertionError):
            check(codec, parse("a lie", ["Framing(1)", 'wire 05 "hello"', lie]), [b"\5hello"])
    for lie in ["error FrameCorrupt", "discarded 1", "text nothing is wrong"]:
        with pytest.raises(AssertionError):
            check(codec, parse("a lie", ["Framing(1)", 'wire 05 "hello"', 'frames "hello"', lie]), [b"\5hello"])


def test_a_drawing_with_a_line_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no drawing has a line 'eror FrameCorrupt'"):
        parse("a slip", ["Framing(1)", "wire 05", "frames -", "eror FrameCorrupt"])
    with pytest.raises(ValueError, match="lacks its wire or its frames"):
        parse("half a drawing", ["Framing(1)", "wire 05"])


# ---- nothing is missing


@pytest.mark.parametrize("option", [each.name for each in fields(Framing)])
def test_every_option_is_drawn(option: str) -> None:
    assert {getattr(drawing.framing, option) for drawing in DRAWINGS} - {getattr(Framing(), option)}


def test_every_width_and_every_way_with_a_large_frame_is_drawn() -> None:
    assert {drawing.framing.length_field_length for drawing in DRAWINGS} == set(range(9))  # 0: a varint
    assert {drawing.framing.oversize for drawing in DRAWINGS} == {"error", "discard", "stream"}


@pytest.mark.parametrize("error", ["FrameTooLarge", "FrameCorrupt", "FrameTruncated"])
def test_the_text_of_every_error_is_shown(error: str) -> None:
    assert [drawing for drawing in DRAWINGS if drawing.said("error") == error and drawing.said("text")]


@pytest.mark.parametrize("name", presets.__all__)
def test_every_preset_is_drawn(name: str) -> None:
    drawn = [lines for _, lines in blocks(DOCS / "framing.md", "frame")]
    assert [line for lines in drawn for line in lines if line.startswith(f"presets.{name}(")]


# ---- coming from Netty and tokio-util


@functools.cache
def row_of(beginning: str) -> dict[str, CodeType]:
    """Return the options that a row of the document's table sets; an empty cell says nothing."""
    rows = [line.strip("| ").split("|") for line in (DOCS / "framing.md").read_text().splitlines() if line[:2] == "| "]
    [options] = [row[1:] for row in rows if row[0].strip() == "coming from"]
    [cells] = [row[1:] for row in rows if row[0].startswith(beginning)]
    told = {option.strip(" `"): cell.strip() for option, cell in zip(options, cells, strict=False)}
    return {option: compile(cell, beginning, "eval") for option, cell in told.items() if cell}


def from_table(beginning: str, **letters: int) -> Framing:
    return Framing(**{option: eval(cell, {}, letters) for option, cell in row_of(beginning).items()})


def from_netty(netty: Numbers) -> Framing:
    return from_table(
        "Netty `LengthFieldBasedFrameDecoder(M, o, w, a, s)`",
        M=netty["maxFrameLength"],
        o=netty["lengthFieldOffset"],
        w=netty["lengthFieldLength"],
        a=netty.get("lengthAdjustment", 0),
        s=netty.get("initialBytesToStrip", 0),
    )


def from_prepender(prepender: Numbers) -> Framing:
    included = "true" if prepender.get("lengthIncludesLengthFieldLength") else "false"
    return from_table(
        f"Netty `LengthFieldPrepender(w, a, {included})`",
        w=prepender["lengthFieldLength"],
        a=prepender.get("lengthAdjustment", 0),
    )


def from_tokio(tokio: Numbers) -> Framing:
    return from_table(
        "tokio-util with `num_skip(n)`" if "num_skip" in tokio else "tokio-util without `num_skip`",
        M=tokio.get("max_frame_length", 8 << 20),
        o=tokio.get("length_field_offset", 0),
        w=tokio.get("length_field_length", 4),
        a=tokio.get("length_adjustment", 0),
        n=tokio.get("num_skip", 0),
    )


def as_netty_reads(netty: Numbers, wire: bytes) -> tuple[list[bytes], bool]:
    """Return Netty's frames by its own arithmetic, and whether it refused the one behind them."""
    frames: list[bytes] = []
    at = 0
    end = netty["lengthFieldOffset"] + netty["lengthFieldLength"]
    strip = netty.get("initialBytesToStrip", 0)
    while at + end <= len(wire):
        length = int.from_bytes(wire[at + netty["lengthFieldOffset"] : at + end], "big")
        total = length + netty.get("lengthAdjustment", 0) + end
        if total < end or total > netty["maxFrameLength"] or strip > total:
            return frames, True
        if at + total > len(wire):
            break
        frames.append(wire[at + strip : at + total])
        at += total
    return frames, False


def as_tokio_reads(tokio: Numbers, wire: bytes) -> tuple[list[bytes], bool]:
    """Return tokio-util's frames by its own arithmetic, and whether it refused the one behind them."""
    frames: list[bytes] = []
    at = 0
    offset = tokio.get("length_field_offset", 0)
    end = offset + tokio.get("length_field_length", 4)
    skip = tokio.get("num_skip", end)
    while at + max(end, skip) <= len(wire):
        length = int.from_bytes(wire[at + offset : at + end], "big")
        size = length + tokio.get("length_adjustment", 0)
        if length > tokio.get("max_frame_length", 8 << 20) or size < 0:
            return frames, True
        if skip + size < end:  # a frame that ends inside its own header: no peer means that, here it is corrupt
            return frames, True
        if at + skip + size > len(wire):
            break
        frames.append(wire[at + skip : at + skip + size])
        at += skip + size
    return frames, False


@each_drawing("netty")
def test_a_framing_from_netty_is_converted_as_the_table_says(drawing: Drawing) -> None:
    assert drawing.framing == from_netty(drawing.numbers("netty"))
    frames, _ = as_netty_reads(drawing.numbers("netty"), drawing.wire)
    assert [(bytes, frame) for frame in frames] == drawing.frames


@each_drawing("tokio")
def test_a_framing_from_tokio_is_converted_as_the_table_says(drawing: Drawing) -> None:
    assert drawing.framing == from_tokio(drawing.numbers("tokio"))
    frames, _ = as_tokio_reads(drawing.numbers("tokio"), drawing.wire)
    assert [(bytes, frame) for frame in frames] == drawing.frames


@each_drawing("prepender")
def test_a_prepender_from_netty_is_converted_as_the_table_says(drawing: Drawing) -> None:
    numbers = drawing.numbers("prepender")
    assert drawing.framing == from_prepender(numbers)
    width = numbers["lengthFieldLength"]
    [(body, _)] = drawing.encodes
    length = len(body) + numbers.get("lengthAdjustment", 0)
    if numbers.get("lengthIncludesLengthFieldLength"):
        length += width
    assert drawing.wire == length.to_bytes(width, "big") + body


def test_the_conversion_from_netty_holds_for_all_small_numbers(codec: ModuleType) -> None:
    for numbers in product(
        maxFrameLength=(5, 9),
        lengthFieldOffset=(0, 1, 2),
        lengthFieldLength=(1, 2),
        lengthAdjustment=range(-4, 4),
        initialBytesToStrip=range(6),
    ):
        compare(codec, numbers, from_netty, as_netty_reads)


def test_the_conversion_from_tokio_holds_for_all_small_numbers(codec: ModuleType) -> None:
    for numbers in product(
        max_frame_length=(3, 6),
        length_field_offset=(0, 1, 2),
        length_field_length=(1, 2),
        length_adjustment=range(-4, 4),
        num_skip=range(6),
    ):
        compare(codec, numbers, from_tokio, as_tokio_reads)
        if not numbers.pop("num_skip"):
            compare(codec, numbers, from_tokio, as_tokio_reads)


def product(**ranges: Any) -> Iterator[Numbers]:
    return (dict(zip(ranges, values, strict=True)) for values in itertools.product(*ranges.values()))


def compare(codec: ModuleType, numbers: Numbers, convert: Any, read: Any) -> None:
    """Decode streams of small lengths under the converted framing: the same frames, and nothing behind a refusal."""
    dice = random.Random(str(numbers))
    try:
        framing = convert(numbers)
    except ValueError:
        framing = None  # one under which no frame at all could pass can't be built here
    for _ in range(4):
        wire = bytes(dice.choices([0, 0, 0, 1, 2, 3, 4, 5, 6, 7], k=24))
        expected, refused = read(numbers, wire)
        if framing is None:
            assert expected == []
            continue
        frames, error, _ = decoded(codec, framing, [wire])
        assert [frame for _, frame in frames] == expected, numbers
        assert error is not None or not refused, numbers


# ---- the Python blocks


@pytest.mark.parametrize("document", ["framing.md", "design.md", "asyncio.md", "testing.md"])
def test_the_python_blocks_of_a_document_run_from_top_to_bottom(twin: ModuleType, document: str) -> None:
    run(DOCS / document, "python")


@pytest.fixture(scope="module")
def others() -> None:
    """Other libraries of which a document has blocks."""
    for package in ("twisted", "uvloop"):
        if importlib.util.find_spec(package) is None:
            missing(f"{package} isn't installed: pip install {package} has it")
    importlib.import_module("uvloop").new_event_loop().close()  # libuv opens some descriptors once, and for good


@pytest.mark.usefixtures("others")
def test_the_blocks_of_other_libraries_run_among_ours(twin: ModuleType) -> None:
    run(DOCS / "asyncio.md", "python", "python peers")


def run(path: Path, *languages: str) -> dict[str, Any]:
    """Run the blocks in these languages in the order of the document; return what they define."""
    namespace: dict[str, Any] = {"__name__": path.stem}
    for first, lines in sorted(itertools.chain(*(blocks(path, language) for language in languages))):
        source = "\n" * (first - 1) + "\n".join(lines)  # so that a traceback names the line of the document
        exec(compile(source, str(path), "exec"), namespace)
    return namespace
