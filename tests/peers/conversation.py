"""What is said to a peer, and whether it came back. The peer's process uses this too: nothing of our library here."""

from __future__ import annotations

import random
from collections.abc import Sequence

LARGEST = {1: (1 << 8) - 1, 2: (1 << 16) - 1, 4: 1 << 20}  # bytes of a body, by the width of its length field
_RANDOM_SIZES = {1: 3000, 2: 1000, 4: 60}  # small messages share a read by the thousand, big ones take many reads


def sizes(width: int) -> list[int]:
    """Return the sizes of the bodies, the same in each call: empty to largest, in random order."""
    largest = LARGEST[width]
    chance = random.Random(width)
    edges = {2**bits + step for bits in range(21) for step in (-1, 0, 1)}  # where fields, reads and buffers end
    told = sorted(size for size in edges if size <= largest)
    # Evenly over the orders of magnitude, else nearly all would be big.
    told += [int((largest + 1) ** chance.random()) - 1 for _ in range(_RANDOM_SIZES[width])]
    chance.shuffle(told)
    return told


def bodies(width: int) -> list[bytes]:
    """Return the messages themselves, the same in each call."""
    chance = random.Random(width)
    return [chance.randbytes(size) for size in sizes(width)]


def difference(said: Sequence[bytes], came: Sequence[bytes]) -> str:
    """Name the first difference, or return "": a comparison of the lists would print megabytes."""
    for number, (there, back) in enumerate(zip(said, came, strict=False)):
        if there != back:
            where = next((i for i, (a, b) in enumerate(zip(there, back, strict=False)) if a != b), "the end")
            return f"message {number}: {len(there)} bytes became {len(back)}, first difference at {where}"
    if len(said) != len(came):
        return f"{len(said)} messages became {len(came)}"
    return ""
