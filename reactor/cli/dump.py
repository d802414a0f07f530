"""dump: shows the frames of a captured stream, and where and why it breaks. Law: it reads and prints, nothing else."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from typing import BinaryIO

from ..errors import FramingError
from ..framing import Framing
from ..transport.address import format_address
from .failure import MISUSED, Failure
from .options import add_framing, add_header, add_preset, between, first_from, framing_from
from .paint import BODY, HEADER, Paint
from .pcap import Conversation, Order, nth_stream, read_segments

SUMMARY = "show the frames of a captured stream, and where it breaks"

_READ_SIZE = 64 * 1024
_ROW = 16  # bytes in a row
_SHOWN = 256  # bytes of a frame; the rest is counted


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="what to read (default: standard input)")
    add_framing(parser)
    add_header(parser)
    add_preset(parser)
    group = parser.add_argument_group("captures", "read with scapy: both directions of a TCP stream")
    group.add_argument("--pcap", metavar="FILE", help="a pcap or pcapng file to read in place of a stream of bytes")
    group.add_argument("--stream", type=between(0, 1 << 32), metavar="N", help="which TCP stream of it (default: 0)")


def run(args: Namespace) -> None:
    """Print every frame as it comes; fail with the reason where the stream breaks."""
    framings = [*first_from(args), framing_from(args)]
    if args.pcap and args.file:
        raise Failure("--pcap names the file to read: there is no place for a second one", MISUSED)
    if args.stream is not None and not args.pcap:
        raise Failure("--stream is a stream of a capture: --pcap has to name one", MISUSED)
    if args.pcap:
        _dump_capture(args.pcap, args.stream or 0, framings)
    else:
        _dump_file(args.file, framings)


def _dump_file(path: str | None, framings: list[Framing]) -> None:
    if not path and sys.stdin is None:
        raise Failure("standard input is closed, and no FILE is named")
    side = Side(framings)
    with open(path, "rb") if path else nullcontext(sys.stdin.buffer) as source:
        while side.error is None and (data := _read(source)):
            side.show(data)
    _conclude([side.end()])


def _read(source: BinaryIO) -> bytes:
    """Return what is there: a stream that somebody still writes is shown as it comes."""
    read = getattr(source, "read1", source.read)
    return bytes(read(_READ_SIZE))


def _dump_capture(path: str, number: int, framings: list[Framing]) -> None:
    """Show both directions as the capture has them: `>` is said by who opened the stream, `<` is the answer."""
    conversation = Conversation(nth_stream(read_segments(path), number))
    opener, answerer = (format_address(end) for end in (conversation.opener, conversation.answerer))
    print(f"> {opener} to {answerer}\n< {answerer} to {opener}", flush=True)
    sides = [Side(framings, "> "), Side(framings[-1:], "< ")]
    for which, data in conversation:
        sides[which].show(data)
    _conclude(side.end(order) for side, order in zip(sides, conversation.orders, strict=True))


def _conclude(ends: Iterable[tuple[str, bool]]) -> None:
    """Print the streams that ended well; fail with the others."""
    broken = []
    for text, good in ends:
        if good:
            print(text)
        else:
            broken.append(text)
    if broken:
        raise Failure("; ".join(broken))


class Side:
    """One direction of a stream: its frames so far. Each framing but the last is for one frame."""

    def __init__(self, framings: list[Framing], mark: str = "") -> None:
        self._decoder, *self._next = [framing.decoder() for framing in framings]
        self._mark, self._paint = mark, Paint(sys.stdout)
        self._base = 0  # where in the stream the decoder began
        self._count = 0

    @property
    def error(self) -> FramingError | None:
        """What broke the stream, or None."""
        return self._decoder.error

    def show(self, data: bytes) -> None:
        """Print the frames that are now complete; what comes behind an error is ignored."""
        for offset, header, frame in self._frames(data):
            print("\n".join(self._picture(offset, header, frame)), flush=True)
            self._count += 1

    def _frames(self, data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield frames, each with the offset at which it begins and its header."""
        while self.error is None and data:
            decoder, begin = self._decoder, self._offset()
            decoder.push(data)
            data = b""
            for frame in decoder:
                yield begin, decoder.header, frame
                begin = self._offset()
                if self._next:
                    data, self._decoder, self._base = decoder.detach(), self._next.pop(0), begin
                    break

    def _offset(self) -> int:
        return self._base + self._decoder.stream_offset

    def end(self, order: Order | None = None) -> tuple[str, bool]:
        """Return how it ended, and whether well; a capture may lack bytes, or the end."""
        told = f"{self._mark}{self._count} {'frame' if self._count == 1 else 'frames'}, {self._offset()} bytes"
        if self.error is None and order is not None and order.missing:
            return f"{told}, then {order.missing} bytes are missing from the capture", False
        if self.error is None and order is not None and not order.ended and self._decoder.unfinished:
            return f"{told}, then the capture ends: {self._decoder.progress}", False
        if self.error is None:
            with suppress(FramingError):  # `error` has it
                self._decoder.feed_eof()
        if self.error is not None:
            begun = f" (counted from byte {self._base})" if self._base else ""
            return f"{told}, then the stream breaks: {self.error}{begun}", False
        return f"{told}, a clean end", True

    def _picture(self, offset: int, header: bytes, frame: bytes) -> Iterator[str]:
        """Draw one frame: its offset in the stream, its length and its header, then rows of hex and text."""
        more = "…" if len(header) > _ROW else ""
        shown = f"  header {self._paint(header[:_ROW].hex(' ') + more, HEADER)}" if header else ""
        yield f"{self._mark}@{offset}  {len(frame)} {'byte' if len(frame) == 1 else 'bytes'}{shown}"
        for start in range(0, min(len(frame), _SHOWN), _ROW):
            row = frame[start : min(start + _ROW, _SHOWN)]
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            yield f"  {start:04x}  {self._paint(row.hex(' '), BODY)}{' ' * (3 * (_ROW - len(row)))}  {text}"
        if len(frame) > _SHOWN:
            yield f"  … {len(frame) - _SHOWN} more"
