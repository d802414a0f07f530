"""The cuts of a stream: all of them the same stream, and no place where none of them cuts."""

from __future__ import annotations

from itertools import accumulate

from reactor.testing import cuts


def test_all_are_the_same_stream() -> None:
    assert {b"".join(chunks) for chunks in cuts(b"a stream")} == {b"a stream"}


def test_it_is_whole_once_and_once_in_single_bytes() -> None:
    first, second, *_ = cuts(b"abc")
    assert (first, second) == ([b"abc"], [b"a", b"b", b"c"])


def test_every_place_is_the_only_cut_once() -> None:
    in_two = [len(chunks[0]) for chunks in list(cuts(b"abcdef", at_random=0))[2:]]
    assert in_two == [1, 2, 3, 4, 5]


def test_a_seed_cuts_the_same_way_twice() -> None:
    one, same, other = (list(cuts(bytes(100), seed=seed)) for seed in ("a", "a", "b"))
    assert one == same != other


def test_a_random_cut_may_be_anywhere() -> None:
    places = {at for chunks in list(cuts(bytes(20), at_random=200))[21:] for at in accumulate(map(len, chunks))}
    assert places == set(range(21))


def test_nothing_is_cut_into_nothing() -> None:
    assert [b"".join(chunks) for chunks in cuts(b"", at_random=2)] == [b""] * 4
