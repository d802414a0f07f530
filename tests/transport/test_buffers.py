"""WriteBuffer: chunks in order, one counter, and no more memory than twice what waits."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from reactor.transport.buffers import WriteBuffer

CHUNKS = st.lists(st.one_of(st.binary(max_size=40), st.integers(16_000, 40_000).map(bytes)), max_size=12)


def add(buffer: WriteBuffer, *chunks: bytes) -> None:
    for chunk in chunks:
        buffer.put(chunk)


@given(CHUNKS, st.lists(st.integers(1, 50_000)))
def test_what_leaves_is_what_came_however_it_is_sent(chunks: list[bytes], sends: list[int]) -> None:
    buffer, sent, wanted = WriteBuffer(), b"", b"".join(chunks)
    add(buffer, *chunks)
    for size in [*sends, *([1 << 20] * len(chunks))]:
        if not buffer.size:
            break
        part = b"".join(buffer.next_chunks())[:size]
        buffer.consume(len(part))
        sent += part
        assert buffer.size == len(wanted) - len(sent)
    assert sent == wanted


def test_small_chunks_leave_as_one() -> None:
    buffer = WriteBuffer()
    add(buffer, b"a", b"", b"b")
    add(buffer, b"c")
    assert buffer.next_chunks() == [b"abc"]


def test_a_large_chunk_leaves_without_a_copy() -> None:
    buffer, large = WriteBuffer(), bytes(100_000)
    add(buffer, b"header", large, b"tail")
    assert buffer.next_chunks()[1] is large


def test_a_cleared_buffer_is_empty() -> None:
    buffer = WriteBuffer()
    add(buffer, bytes(50_000), b"x")
    buffer.consume(3)
    buffer.clear()
    add(buffer, b"y")
    assert (buffer.size, buffer.next_chunks()) == (1, [b"y"])


def test_messages_of_one_byte_take_at_most_twice_their_bytes() -> None:
    buffer = WriteBuffer()
    for _ in range(100_000):
        buffer.put(b"x")
    held = buffer._chunks or []
    assert sum(map(sys.getsizeof, held)) + sys.getsizeof(held) <= 200_000
    assert b"".join(buffer.next_chunks()) == b"x" * 100_000


def test_what_was_taken_is_one_chunk_and_leaves_nothing() -> None:
    buffer = WriteBuffer()
    add(buffer, b"a", bytes(20_000), b"b")
    assert buffer.take() == b"a" + bytes(20_000) + b"b"
    assert buffer.size == 0


def test_the_first_bytes_are_a_view_of_what_is_next() -> None:
    buffer = WriteBuffer(join_below=1 << 16)
    add(buffer, b"abc", bytes(9_000))
    buffer.consume(1)
    assert bytes(buffer.first(2)) == b"bc"
    assert len(buffer.first(1 << 20)) == 9_002
