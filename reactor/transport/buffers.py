"""WriteBuffer: what waits to be sent. Law: one counter, moved with the queue, so it is always the sum of what waits.

And the sizes that reading and writing go by.
"""

from __future__ import annotations

from ..framing import BytesLike

READ_SIZE = 256 * 1024  # bytes in one read at most; more costs cache misses (picows#117)
DIRECT_FROM = 64 * 1024  # a body of which so much has come, and so much lacks, is read straight into its place
MESSAGES_PER_TURN = 1024  # about half a millisecond of callbacks: what others may have to wait for one connection
JOIN_BELOW = 8 * 1024  # a smaller chunk is cheaper to copy into its neighbours than to gather
FLOWS = 16 * 1024  # so much since the last look isn't a trickle: the peer sends as fast as we read
SEND_AT_ONCE = 64 * 1024  # more than this doesn't wait for the end of the turn
ANSWER_FROM = 8 * 1024  # so much leaves at the end of the read that it answers, while it is in the caches
MOST_GIVEN = 64 * 1024  # that asyncio is given before the last ones have left: they count for nobody's limit
GATHER = 64  # chunks in one gathered send; far under IOV_MAX, which is 1024 or more
_BLOCK = 64 * 1024  # small chunks are joined up to so many bytes

# TLS, in the memory that all connections share: plain bytes in front, what the socket gave behind them.
PLAIN_ROOM = 64 * 1024
SEALED_SLICE = 20 * 1024  # bytes that OpenSSL is given at a time: a full record, and what it may have kept is no more


_OFF_THE_PAGE = 112  # bytes: a cache line's multiple behind malloc's own 16


def read_memory() -> memoryview:
    """Return where all connections of a loop read to.

    It begins off the page: the kernel has what it copies on pages, too, and where source and place agree in their last
    12 bits a load waits for a store that it has nothing to do with. 16 KiB raw echo, 22 us, 13.6 off the page.
    """
    return memoryview(bytearray(READ_SIZE + _OFF_THE_PAGE))[_OFF_THE_PAGE:]


class WriteBuffer:
    """Chunks in order and their size in bytes, with no socket.

    Large chunks are `bytes` kept by reference; small ones are joined as they come, so that what waits takes at most
    twice its bytes: 1-byte messages as objects of their own were 48 bytes each. While nothing waits there is no queue.
    """

    __slots__ = ("_chunks", "_join_below", "_start", "size")

    def __init__(self, join_below: int = JOIN_BELOW) -> None:
        self._join_below = join_below
        self._chunks: list[bytes | bytearray] | None = None
        self._start = 0  # bytes of the first chunk that are sent already
        self.size = 0

    def put(self, chunk: bytes) -> None:
        """Queue a chunk. An empty one is let go: it would never be sent."""
        size = len(chunk)
        self.size += size
        if self._chunks is None:
            if size:
                self._chunks = [chunk]
        elif size >= self._join_below:
            self._chunks.append(chunk)
        elif size:
            self._join(self._chunks, chunk)

    def _join(self, chunks: list[bytes | bytearray], chunk: bytes) -> None:
        last = chunks[-1]
        if isinstance(last, bytearray) and len(last) < _BLOCK:
            last += chunk
        elif len(last) < self._join_below:
            chunks[-1] = bytearray(last) + chunk
        else:
            chunks.append(chunk)

    def recount(self) -> None:
        """Count anew: an exception out of nowhere may have come between a chunk and its count."""
        self.size = sum(map(len, self._chunks or ())) - self._start
        if not self.size:
            self.clear()

    def next_chunks(self) -> list[bytes | bytearray | memoryview]:
        """Return what should be sent now, in one send."""
        batch: list[bytes | bytearray | memoryview] = (self._chunks or [])[:GATHER]  # type: ignore[assignment]
        if self._start:
            batch[0] = memoryview(batch[0])[self._start :]
        return batch

    def first(self, most: int) -> memoryview:
        """Return at most so many bytes of the first chunk; something waits."""
        chunks = self._chunks or [b""]
        return memoryview(chunks[0])[self._start : self._start + most]

    def consume(self, count: int) -> None:
        """Forget `count` bytes that were sent."""
        self.size -= count
        if not self.size:
            self._chunks, self._start = None, 0
            return None
        count += self._start
        chunks, gone = self._chunks or [], 0
        while count >= len(chunks[gone]):
            count -= len(chunks[gone])
            gone += 1
        del chunks[:gone]
        self._start = count
        return None

    def take(self) -> bytes:
        """Give up what waits, as one chunk; none of it has been sent."""
        chunks = self._chunks or [b""]
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.clear()
        return bytes(data)

    def clear(self) -> None:
        self.size = self._start = 0
        self._chunks = None


def snapshot(data: BytesLike) -> bytes:
    """Return bytes that nobody can change: the caller may reuse a bytearray at once."""
    return data if type(data) is bytes else memoryview(data).tobytes()
