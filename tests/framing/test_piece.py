"""Piece: bytes that know where in their frame they are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from reactor import Piece


def test_a_piece_is_its_bytes() -> None:
    piece = Piece(b"part", 0, 10)
    assert piece == b"part"
    assert isinstance(piece, bytes)
    assert hash(piece) == hash(b"part")
    assert (len(piece), piece[1], piece[1:], bytes(piece)) == (4, ord("a"), b"art", b"part")
    assert b"".join([piece, Piece(b"ner", 4, 7)]) == b"partner"


def test_what_is_made_of_a_piece_is_no_piece() -> None:
    piece = Piece(b"part", 0, 10)
    assert {type(made) for made in (bytes(piece), piece[:], piece[1:], piece + b"", piece.upper())} == {bytes}


def test_a_piece_knows_its_place() -> None:
    piece = Piece(b"part", 3, 10)
    assert (piece.offset, piece.length) == (3, 10)


@pytest.mark.parametrize(
    ("data", "offset", "length", "last"),
    [
        (b"part", 0, 10, False),
        (b"part", 5, 10, False),
        (b"part", 6, 10, True),
        (b"part", 0, 4, True),
        (b"", 0, 0, True),
        (b"", 0, 4, False),
        (b"", 4, 4, True),
    ],
)
def test_the_last_piece_ends_its_frame(data: bytes, offset: int, length: int, last: bool) -> None:
    assert Piece(data, offset, length).last is last


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_a_piece_owns_its_bytes(make: Callable[[bytes], Any]) -> None:
    source = make(b"part")
    piece = Piece(source, 0, 4)
    if isinstance(source, bytearray):
        source[:] = b"torn"
    assert piece == b"part"


@pytest.mark.parametrize("wrong", ["text", None])
def test_what_has_no_bytes_is_no_piece(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Piece(wrong, 0, 4)


@pytest.mark.parametrize("survive", [copy.copy, copy.deepcopy, lambda piece: pickle.loads(pickle.dumps(piece))])
def test_a_piece_survives_copying_and_pickling(survive: Callable[[Piece], Piece]) -> None:
    """It goes to another process as any bytes do."""
    piece = survive(Piece(b"part", 3, 7))
    assert (type(piece), piece, piece.offset, piece.length, piece.last) == (Piece, b"part", 3, 7, True)
