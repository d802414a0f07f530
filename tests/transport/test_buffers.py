"""WriteBuffer: chunks in order, one counter, crossings told once."""

from hypothesis import given
from hypothesis import strategies as st

from reactor.transport.buffers import WriteBuffer

CHUNKS = st.lists(st.one_of(st.binary(max_size=40), st.integers(16_000, 40_000).map(bytes)), max_size=12)


def add(buffer: WriteBuffer, *chunks: bytes) -> None:
    buffer.extend(chunks, sum(map(len, chunks)))


@given(CHUNKS, st.lists(st.integers(1, 50_000)))
def test_what_leaves_is_what_came_however_it_is_sent(chunks: list[bytes], sends: list[int]) -> None:
    buffer, sent, wanted = WriteBuffer(100, 10), b"", b"".join(chunks)
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
    buffer = WriteBuffer(100, 10)
    add(buffer, b"a", b"", b"b")
    add(buffer, b"c")
    assert buffer.next_chunks() == [b"abc"]


def test_a_large_chunk_leaves_without_a_copy() -> None:
    buffer, large = WriteBuffer(100, 10), bytes(100_000)
    add(buffer, b"header", large, b"tail")
    assert buffer.next_chunks()[1] is large


def test_each_crossing_is_told_once_and_in_turns() -> None:
    buffer = WriteBuffer(10, 4)
    add(buffer, bytes(10))
    assert not buffer.crossed_high(), "high itself is not over it"
    add(buffer, b"x")
    assert buffer.crossed_high()
    assert not buffer.crossed_high()
    buffer.consume(6)
    assert not buffer.crossed_low()
    buffer.consume(1)
    assert buffer.crossed_low()
    assert not buffer.crossed_low()


def test_a_cleared_buffer_is_empty() -> None:
    buffer = WriteBuffer(10, 4)
    add(buffer, bytes(50_000), b"x")
    buffer.consume(3)
    buffer.clear()
    add(buffer, b"y")
    assert (buffer.size, buffer.next_chunks()) == (1, [b"y"])
