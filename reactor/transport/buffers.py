"""WriteBuffer: what waits to be sent. Law: one counter, moved with the queue, so it is always the sum of what waits.

And the sizes that reading and writing go by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from ..framing import BytesLike

READ_SIZE = 256 * 1024  # bytes in one read at most; more costs cache misses (picows#117)
DIRECT_FROM = 64 * 1024  # a body of which so much has come, and so much lacks, is read straight into its place
MESSAGES_PER_TURN = 1024  # about half a millisecond of callbacks: what others may have to wait for one connection
JOIN_BELOW = 8 * 1024  # a smaller chunk is cheaper to copy into its neighbours than to gather
_GATHER = 64  # chunks in one gathered send; far under IOV_MAX, which is 1024 or more


class WriteBuffer:
    """Chunks in order and their size in bytes, with water marks and no socket.

    Chunks are `bytes`, kept by reference. `crossed_high` and `crossed_low` tell each crossing once, in turns. While
    nothing waits there is no queue: an empty deque is 760 bytes, and most connections are idle.
    """

    __slots__ = ("_chunks", "_small", "_start", "held", "high", "low", "paused", "size")

    def __init__(self, high: int = 0, low: int = 0) -> None:
        self._chunks: deque[bytes] | None = None
        self._start = 0  # bytes of the first chunk that are sent already
        self._small: list[bytes] | None = None  # behind the chunks: what will be joined to one
        self.size = 0
        self.held = 0  # bytes that wait for a TLS handshake, and will come here then
        self.high = high
        self.low = low
        self.paused = False

    def set_marks(self, high: int | None, low: int | None, default_high: int) -> None:
        """Set the marks as asyncio does: what isn't given follows from the other, or from the default."""
        if high is None:
            high = default_high if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high is {high!r} and low is {low!r}: high >= low >= 0 is needed")
        self.high, self.low = high, low

    def extend(self, chunks: Iterable[bytes], size: int) -> None:
        """Queue chunks of `size` bytes together. An empty one is let go: it would never be sent."""
        for chunk in chunks:
            if len(chunk) >= JOIN_BELOW:
                self._settled().append(chunk)
            elif chunk:
                if self._small is None:
                    self._small = []
                self._small.append(chunk)
        self.size += size

    def next_chunks(self) -> list[bytes | memoryview]:
        """Return what should be sent now, in one send: small chunks joined, large ones as they are."""
        batch: list[bytes | memoryview] = list(islice(self._settled(), _GATHER))
        if self._start:
            batch[0] = memoryview(batch[0])[self._start :]
        return batch

    def _settled(self) -> deque[bytes]:
        """Return the queue, with all that waits in it."""
        chunks, small = self._chunks, self._small
        if chunks is None:
            chunks = self._chunks = deque()
        if small is not None:
            chunks.append(small[0] if len(small) == 1 else b"".join(small))
            self._small = None
        return chunks

    def consume(self, count: int) -> None:
        """Forget `count` bytes that were sent."""
        self.size -= count
        if not self.size:
            return self._forget()
        count += self._start
        chunks = self._settled()
        while count >= len(chunks[0]):
            count -= len(chunks.popleft())
        self._start = count
        return None

    def take(self) -> list[bytes]:
        """Give up what waits; none of it has been sent."""
        chunks = list(self._settled())
        self.clear()
        return chunks

    def clear(self) -> None:
        self.size = self.held = 0
        self._forget()

    def _forget(self) -> None:
        self._chunks = self._small = None
        self._start = 0

    def crossed_high(self) -> bool:
        """Tell once that more than `high` bytes wait."""
        if self.paused or self.size + self.held <= self.high:
            return False
        self.paused = True
        return True

    def crossed_low(self) -> bool:
        """Tell once, after `crossed_high`, that at most `low` bytes wait."""
        if not self.paused or self.size + self.held > self.low:
            return False
        self.paused = False
        return True


def snapshot(data: BytesLike) -> bytes:
    """Return bytes that nobody can change: the caller may reuse a bytearray at once."""
    return data if type(data) is bytes else memoryview(data).tobytes()
