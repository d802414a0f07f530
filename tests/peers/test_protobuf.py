"""Protobuf understands us and we understand protobuf: its delimited messages, both ways, without a socket between."""

from __future__ import annotations

import importlib.util
import io
import itertools
import random
from typing import Any

import pytest
from peers.conftest import missing
from peers.conversation import difference

from reactor import FrameTooLarge, Framing, presets

pytestmark = pytest.mark.usefixtures("twin")

_LARGEST = 300 * 1024  # bytes of a message
# Where a length takes one more byte, and where reads end; protobuf puts 2 to 4 bytes of its own around a value.
_EDGES = [edge + step for edge in (0, 1 << 7, 1 << 14, 1 << 16, 1 << 18, _LARGEST) for step in range(-6, 7)]
_CUTS = 60


@pytest.fixture
def proto() -> Any:
    """Return protobuf's module of functions that write and read delimited messages."""
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.protobuf") is None:
        missing('protobuf isn\'t installed: pip install "protobuf>=5.28" has it')
    from google.protobuf import proto

    if not hasattr(proto, "serialize_length_prefixed"):
        missing('this protobuf has no delimited messages: pip install "protobuf>=5.28" does')
    return proto


@pytest.fixture
def wrap(proto: Any) -> Any:
    """Return the message type that holds some bytes: its size is what we need it to be."""
    from google.protobuf.wrappers_pb2 import BytesValue

    return BytesValue


@pytest.fixture
def framing(twin: Any) -> Framing:
    return presets.protobuf()


def values() -> list[bytes]:
    """Return what the messages hold, the same in each call: empty to 300 KiB, in random order."""
    chance = random.Random("protobuf")
    sizes = [size for size in _EDGES if 0 <= size <= _LARGEST]
    sizes += [int((_LARGEST + 1) ** chance.random()) - 1 for _ in range(300)]
    chance.shuffle(sizes)
    return [chance.randbytes(size) for size in sizes]


def written_by_protobuf(proto: Any, wrap: Any) -> bytes:
    stream = io.BytesIO()
    for value in values():
        proto.serialize_length_prefixed(wrap(value=value), stream)
    return stream.getvalue()


def read_by_protobuf(proto: Any, wrap: Any, stream: bytes) -> list[bytes]:
    source = io.BytesIO(stream)
    return [message.value for message in iter(lambda: proto.parse_length_prefixed(wrap, source), None)]


def cut(stream: bytes, seed: int) -> list[bytes]:
    """Cut at random; the first messages byte by byte, so that lengths are cut too."""
    chance = random.Random(seed)
    marks = [*range(600), *sorted(chance.randrange(600, len(stream)) for _ in range(_CUTS)), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(marks)]


def test_the_sizes_lie_on_both_sides_of_every_edge(wrap: Any) -> None:
    sizes = {wrap(value=value).ByteSize() for value in values()}
    assert {0, 127, 128, 16383, 16384, 65535, 65536} <= sizes


@pytest.mark.parametrize("seed", range(5))
def test_what_protobuf_writes_we_read_however_it_is_cut(proto: Any, wrap: Any, framing: Framing, seed: int) -> None:
    decoder = framing.decoder()
    messages: list[bytes] = []
    for chunk in cut(written_by_protobuf(proto, wrap), seed):
        messages += decoder.feed(chunk)
    decoder.feed_eof()
    assert difference(values(), [wrap.FromString(message).value for message in messages]) == ""


def test_what_protobuf_writes_we_read_in_place(proto: Any, wrap: Any, framing: Framing) -> None:
    decoder = framing.decoder()
    messages: list[bytes] = []
    source = io.BytesIO(written_by_protobuf(proto, wrap))
    while count := source.readinto(decoder.get_buffer()):
        messages += decoder.buffer_updated(count)
    decoder.feed_eof()
    assert difference(values(), [wrap.FromString(message).value for message in messages]) == ""


def test_protobuf_reads_what_we_write(proto: Any, wrap: Any, framing: Framing) -> None:
    stream = b"".join(framing.encode(wrap(value=value).SerializeToString()) for value in values())
    assert difference(values(), read_by_protobuf(proto, wrap, stream)) == ""


def test_we_write_what_protobuf_writes_byte_for_byte(proto: Any, wrap: Any, framing: Framing) -> None:
    bodies = [wrap(value=value).SerializeToString() for value in values()]
    assert framing.encode_many(bodies) == written_by_protobuf(proto, wrap)


def test_a_message_over_the_limit_is_told_by_its_size(proto: Any, wrap: Any, twin: Any) -> None:
    stream = io.BytesIO()
    proto.serialize_length_prefixed(wrap(value=bytes(200)), stream)
    decoder = presets.protobuf(max_frame_length=202).decoder()
    assert decoder.feed(stream.getvalue()) == []
    assert isinstance(decoder.error, FrameTooLarge)
    assert decoder.error.length == 203
