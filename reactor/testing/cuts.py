"""Cut a stream, as a network does. Law: whatever a decoder makes of it must not depend on the cuts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator


def cuts(stream: bytes, *, at_random: int = 40, seed: int | str = 0) -> Iterator[list[bytes]]:
    """Yield the same stream in pieces: whole, byte by byte, cut in two at every place, cut `at_random` times anyhow.

    The same seed cuts the same way. A test of a codec of yours feeds each to a new decoder and compares:

        for chunks in cuts(stream):
            decoder = framing.decoder()
            assert [frame for chunk in chunks for frame in decoder.feed(chunk)] == frames
    """
    yield [stream]
    yield [stream[at : at + 1] for at in range(len(stream))]
    for at in range(1, len(stream)):
        yield _cut(stream, [at])
    dice = random.Random(seed)
    for _ in range(at_random):
        yield _cut(stream, sorted(dice.choices(range(len(stream) + 1), k=dice.randint(1, 6))))


def _cut(stream: bytes, marks: Iterable[int]) -> list[bytes]:
    return [stream[start:end] for start, end in itertools.pairwise([0, *marks, len(stream)])]
