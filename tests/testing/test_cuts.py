"""cuts: the same stream in many ways."""

from __future__ import annotations

import pytest

from reactor.testing import cuts


@pytest.mark.parametrize("stream", [b"", b"a", b"abcdefgh"])
def test_every_cut_is_the_same_stream(stream: bytes) -> None:
    assert {b"".join(chunks) for chunks in cuts(stream)} == {stream}


def test_it_is_cut_nowhere_everywhere_and_at_every_place() -> None:
    ways = list(cuts(b"abc", at_random=0))
    assert ways == [[b"abc"], [b"a", b"b", b"c"], [b"a", b"bc"], [b"ab", b"c"]]


def test_a_seed_cuts_the_same_way_again_and_another_one_doesnt() -> None:
    stream = bytes(range(100))
    assert list(cuts(stream, seed="a")) == list(cuts(stream, seed="a"))
    assert list(cuts(stream, seed="a")) != list(cuts(stream, seed="b"))


def test_so_many_cuts_at_random_as_were_asked_for() -> None:
    assert len(list(cuts(b"abc", at_random=7))) == 4 + 7
