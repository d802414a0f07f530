"""Strategies for hypothesis: messages of a framing, and their stream in pieces. hypothesis is imported when asked for.

@given(cut_messages(Framing()))
def test_a_codec(drawn):
    messages, chunks = drawn
    decoder = Framing().decoder()
    assert [frame for chunk in chunks for frame in decoder.feed(chunk)] == messages
"""

from __future__ import annotations

import itertools
from typing import Any

from ..framing import Framing

_MOST, _MAX_SIZE = 8, 300


def messages(framing: Framing, *, most: int = _MOST, max_size: int = _MAX_SIZE) -> Any:
    """Return a strategy for lists of at most `most` messages that this framing can encode."""
    from hypothesis import strategies

    if framing.fixed_length:
        size = framing.fixed_length
        return strategies.lists(strategies.binary(min_size=size, max_size=size), max_size=most)

    def can_be_encoded(message: bytes) -> bool:
        try:
            framing.encode(message, bytes(prefix))
        except ValueError:  # a FramingError is one, too
            return False
        return True

    prefix: int = getattr(framing, "length_field_offset", 0)
    return strategies.lists(strategies.binary(max_size=max_size).filter(can_be_encoded), max_size=most)


def cuts_of(stream: bytes) -> Any:
    """Return a strategy for the same stream in pieces, cut anywhere, of which some may be empty."""
    from hypothesis import strategies

    marks = strategies.lists(strategies.integers(0, len(stream)), max_size=_MOST)
    return marks.map(lambda found: [stream[a:b] for a, b in itertools.pairwise([0, *sorted(found), len(stream)])])


def cut_messages(framing: Framing, *, most: int = _MOST, max_size: int = _MAX_SIZE) -> Any:
    """Return a strategy for pairs: messages, and their stream in pieces. A prefix that is due is of zeros."""
    from hypothesis import strategies

    prefix = bytes(getattr(framing, "length_field_offset", 0))

    def with_cuts(drawn: list[bytes]) -> Any:
        stream = b"".join(framing.encode(message, prefix) for message in drawn)
        return strategies.tuples(strategies.just(drawn), cuts_of(stream))

    return messages(framing, most=most, max_size=max_size).flatmap(with_cuts)
