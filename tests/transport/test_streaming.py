"""Bodies over the limit, in pieces: through the decoder, and through a connection."""

from __future__ import annotations

import resource
from types import ModuleType

from helpers import FrameRecorder, Recorder

from reactor import EventLoop, FrameTruncated, Framing, Piece
from reactor.testing import memory_pair


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_four_gibibytes_pass_in_a_few_mebibytes(codec: ModuleType) -> None:
    length, read = 4 << 30, bytes(256 * 1024)
    decoder = codec.Decoder(Framing(8, oversize="stream"))
    before, came, last = peak_memory(), 0, []
    for data in [length.to_bytes(8, "big"), *[read] * (length // len(read))]:
        last = decoder.feed(data)
        came += sum(map(len, last))
    assert came == length
    assert [(piece.length, piece.last) for piece in last] == [(length, True)]
    assert (decoder.buffered, decoder.wanted) == (0, 8)
    assert peak_memory() - before < 8 << 20


class Streams(FrameRecorder):
    """Takes pieces, and messages around them."""

    def __init__(self) -> None:
        super().__init__()
        self.framing = Framing(max_frame_length=100, oversize="stream")
        self.pieces: list[Piece] = []

    def piece_received(self, piece: Piece) -> None:
        self.pieces.append(piece)


def turns(loop: EventLoop, count: int) -> None:
    for _ in range(count):
        loop.run_once(0)


def test_an_oversized_message_comes_in_pieces_between_whole_ones(loop: EventLoop, twin: ModuleType) -> None:
    receiver, body = Streams(), bytes(range(256)) * 8192
    left, right = memory_pair(loop, Recorder(), receiver)
    turns(loop, 1)
    wide = Framing(max_frame_length=1 << 22)
    left.write(wide.encode_many([b"before", body, b"after"]))
    turns(loop, 60)
    assert receiver.messages == [b"before", b"after"]
    assert b"".join(receiver.pieces) == body
    assert [piece.offset for piece in receiver.pieces] == [
        sum(map(len, receiver.pieces[:index])) for index in range(len(receiver.pieces))
    ]
    assert {piece.length for piece in receiver.pieces} == {len(body)}
    assert [piece.last for piece in receiver.pieces] == [False] * (len(receiver.pieces) - 1) + [True]
    left.close()
    turns(loop, 3)
    assert right.is_closing()


def test_pausing_between_pieces_loses_none(loop: EventLoop, twin: ModuleType) -> None:
    class Pauses(Streams):
        def piece_received(self, piece: Piece) -> None:
            super().piece_received(piece)
            self.transport.pause_reading()

    receiver, body = Pauses(), bytes(range(256)) * 4096
    left, right = memory_pair(loop, Recorder(), receiver, capacity=10_000)
    turns(loop, 1)
    left.write(Framing(max_frame_length=1 << 22).encode(body))
    turns(loop, 5)
    assert len(receiver.pieces) == 1
    while not receiver.pieces[-1].last:
        right.resume_reading()
        turns(loop, 2)
    assert b"".join(receiver.pieces) == body
    left.close()
    right.close()
    turns(loop, 2)


def test_a_streamed_message_that_is_cut_off_is_told(loop: EventLoop, twin: ModuleType) -> None:
    receiver = Streams()
    left, _ = memory_pair(loop, Recorder(), receiver)
    turns(loop, 1)
    left.write(b"\0\0\1\0half of it")
    left.close()
    turns(loop, 5)
    assert b"".join(receiver.pieces) == b"half of it"
    assert isinstance(receiver.lost, FrameTruncated)
    assert "10 of 256 bytes" in str(receiver.lost)
