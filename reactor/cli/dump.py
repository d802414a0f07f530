"""dump: shows the frames of a captured stream, and where and why it breaks. Law: it reads and prints, nothing else."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import BinaryIO

from ..errors import FramingError
from ..framing import Decoder
from .failure import Failure
from .options import add_framing, add_header, framing_from

SUMMARY = "show the frames of a captured stream, and where and why it breaks"

_READ_SIZE = 64 * 1024
_ROW = 16  # bytes in a row
_SHOWN = 256  # bytes of a frame; the rest is counted


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="what to read (default: standard input)")
    add_framing(parser)
    add_header(parser)


def run(args: Namespace) -> None:
    """Print every frame as it comes; fail with the reason where the stream breaks."""
    decoder = framing_from(args).decoder()
    if not args.file and sys.stdin is None:
        raise Failure("standard input is closed, and no FILE is named")
    count = 0
    with open(args.file, "rb") if args.file else nullcontext(sys.stdin.buffer) as source:
        for offset, frame in _frames(source, decoder):
            print("\n".join(_picture(offset, frame)), flush=True)
            count += 1
    told = f"{count} {'frame' if count == 1 else 'frames'}, {decoder.stream_offset} bytes"
    if decoder.error is not None:
        raise Failure(f"{told}, then the stream breaks: {decoder.error}")
    print(f"{told}, a clean end")


def _frames(source: BinaryIO, decoder: Decoder) -> Iterator[tuple[int, bytes]]:
    """Yield frames with the offset at which each begins, until the end or the error."""
    begin = 0
    while decoder.error is None and (data := _read(source)):
        decoder.push(data)
        for frame in decoder:
            yield begin, frame
            begin = decoder.stream_offset
    if decoder.error is None:
        with suppress(FramingError):  # `error` has it
            decoder.feed_eof()


def _read(source: BinaryIO) -> bytes:
    """Return what is there: a stream that somebody still writes is shown as it comes."""
    read = getattr(source, "read1", source.read)
    return bytes(read(_READ_SIZE))


def _picture(offset: int, frame: bytes) -> Iterator[str]:
    """Draw one frame: its offset in the stream and its length, then rows of hex and text."""
    yield f"@{offset}  {len(frame)} {'byte' if len(frame) == 1 else 'bytes'}"
    for start in range(0, min(len(frame), _SHOWN), _ROW):
        row = frame[start : min(start + _ROW, _SHOWN)]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {start:04x}  {row.hex(' '):{3 * _ROW - 1}}  {text}"
    if len(frame) > _SHOWN:
        yield f"  … {len(frame) - _SHOWN} more"
