"""Strategies for hypothesis: what they draw can be encoded, and is decoded whatever its cuts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from reactor import Framing
from reactor.testing.strategies import cut_messages, cuts_of, messages

FRAMINGS = [
    Framing(),
    Framing(1, strip=0),
    Framing.varint(),
    Framing.delimited(b"\r\n"),
    Framing.fixed(3),
    Framing(2, length_field_offset=3, max_frame_length=50, strip=5),
]


@pytest.mark.parametrize("framing", [each for each in FRAMINGS if each != FRAMINGS[1]], ids=repr)
@given(data=st.data())
def test_messages_are_decoded_as_they_were_drawn(framing: Framing, data: Any) -> None:
    drawn, chunks = data.draw(cut_messages(framing))
    decoder = framing.decoder()
    assert [frame for chunk in chunks for frame in decoder.feed(chunk)] == drawn


@given(cuts_of(b"a stream of bytes"))
def test_a_stream_is_whole_in_all_its_pieces(chunks: list[bytes]) -> None:
    assert b"".join(chunks) == b"a stream of bytes"


@pytest.mark.parametrize("framing", FRAMINGS, ids=repr)
def test_there_are_messages_for_every_framing(framing: Framing) -> None:
    assert len(find(messages(framing, max_size=3), lambda drawn: len(drawn) > 1)) == 2


def test_hypothesis_is_not_needed_for_the_rest() -> None:
    code = "import reactor.testing.strategies, sys; assert 'hypothesis' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
