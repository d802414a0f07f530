"""asyncio's protocols of bench: what comes back is what was sent, however it was cut."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor import Framing
from reactor.cli import bench_asyncio
from reactor.cli.bench_asyncio import tuned

FRAMINGS = [
    Framing(1),
    Framing(2, "little"),
    Framing(3),
    Framing(4),
    Framing(4, "little"),
    Framing(8),
    Framing.varint(),
]


class Paper:
    """A transport that writes down what is asked of it."""

    def __init__(self, framing: Framing) -> None:
        self.written: list[bytes] = []
        self.aborted = False
        self.reading = True
        self.protocol: Any = tuned(framing)
        self.protocol.connection_made(self)

    def receive(self, data: bytes) -> None:
        """Give bytes to the protocol, in the way of its kind."""
        while data and hasattr(self.protocol, "get_buffer"):
            room = self.protocol.get_buffer(-1)
            count = min(len(room), len(data))
            room[:count] = data[:count]
            data = data[count:]
            self.protocol.buffer_updated(count)
        if data:
            self.protocol.data_received(data)

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def writelines(self, chunks: list[bytes]) -> None:
        self.written.extend(chunks)

    def abort(self) -> None:
        self.aborted = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@pytest.mark.parametrize("framing", FRAMINGS, ids=repr)
@given(st.lists(st.binary(max_size=255), max_size=8), st.lists(st.integers(1, 300), max_size=20))
def test_an_echo_does_not_depend_on_how_its_bytes_were_cut(
    framing: Framing, bodies: list[bytes], sizes: list[int]
) -> None:
    transport = Paper(framing)
    stream = framing.encode_many(bodies)
    pos = 0
    for size in [*sizes, len(stream)]:
        transport.receive(stream[pos : pos + size])
        pos += size
    assert b"".join(transport.written) == stream
    assert not transport.aborted


@pytest.mark.parametrize("framing", FRAMINGS, ids=repr)
def test_bytes_one_by_one_are_echoed_frame_by_frame(framing: Framing) -> None:
    transport = Paper(framing)
    frames = [framing.encode(bytes(200)), framing.encode(b""), framing.encode(b"abc")]
    for byte in b"".join(frames):
        transport.receive(bytes([byte]))
    assert transport.written == frames


@pytest.mark.parametrize("framing", FRAMINGS[2:], ids=repr)
@pytest.mark.parametrize("size", [65_535, 1_000, 7_777])
def test_large_messages_are_echoed_too(framing: Framing, size: int) -> None:
    transport = Paper(framing)
    stream = framing.encode_many([b"a", bytes(range(256)) * 400, b"b", bytes(70_000), b"", bytes(20_000)])
    for pos in range(0, len(stream), size):
        transport.receive(stream[pos : pos + size])
    assert b"".join(transport.written) == stream
    assert not transport.aborted


def test_a_read_of_one_whole_message_is_one_write() -> None:
    for framing in FRAMINGS:
        transport = Paper(framing)
        for size in (0, 1, 127, 128, 200):
            transport.receive(framing.encode(bytes(size)))
        assert transport.written == [framing.encode(bytes(size)) for size in (0, 1, 127, 128, 200)]


def test_two_bytes_of_a_longer_varint_are_not_taken_for_a_length() -> None:
    transport = Paper(Framing.varint())
    frame = Framing.varint().encode(bytes(20_000))  # without its last byte, its first two would fit
    transport.receive(frame[:-1])
    assert transport.written == []
    transport.receive(frame[-1:])
    assert b"".join(transport.written) == frame


def test_the_peers_carry_nothing_else_of_this_package() -> None:
    folder = Path(bench_asyncio.__file__).parent
    script = "import sys; sys.path.append(sys.argv[1]); import bench_asyncio; assert 'reactor' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)


def test_small_answers_of_a_read_are_one_write() -> None:
    transport = Paper(Framing())
    transport.receive(Framing().encode_many([b"a", b"b", b"c"]))
    assert len(transport.written) == 1


@pytest.mark.parametrize("framing", [Framing(max_frame_length=3), Framing.varint(max_frame_length=3)], ids=repr)
def test_a_length_over_the_limit_ends_the_connection(framing: Framing) -> None:
    transport = Paper(framing)
    transport.receive(framing.encode(b"abc"))
    assert not transport.aborted
    transport.receive(bytes([4]) if framing.max_varint_bytes else bytes([0, 0, 0, 4]))
    assert transport.aborted


def test_a_varint_may_have_ten_bytes() -> None:
    transport = Paper(Framing.varint())
    frame = b"\x83" + b"\x80" * 8 + b"\x00" + b"abc"
    transport.receive(frame[:9])
    transport.receive(frame[9:])
    assert (transport.written, transport.aborted) == ([frame], False)


@pytest.mark.parametrize("header", [b"\x80" * 10, b"\xff" * 9 + b"\x7f"])
def test_a_varint_that_no_length_needs_ends_the_connection(header: bytes) -> None:
    transport = Paper(Framing.varint())
    transport.receive(header)
    assert transport.aborted


def test_asyncio_reads_less_at_once_than_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Paper, "max_size", 256 * 1024, raising=False)
    assert vars(Paper(Framing()))["max_size"] == 64 * 1024


def test_a_peer_that_reads_slowly_is_read_slowly() -> None:
    transport = Paper(Framing())
    transport.protocol.pause_writing()
    assert not transport.reading
    transport.protocol.resume_writing()
    assert transport.reading


def test_it_is_read_slowly_inside_a_large_message_too() -> None:
    transport = Paper(Framing())
    frame = Framing().encode(bytes(100_000))
    transport.protocol.pause_writing()
    transport.receive(frame[:1000])
    assert not transport.reading
    transport.protocol.resume_writing()
    assert transport.reading
    transport.receive(frame[1000:])
    assert (b"".join(transport.written), transport.reading) == (frame, True)
