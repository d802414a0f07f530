"""SECURITY.md tells the defaults as they are."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from reactor import Framing, Limits

TEXT = (Path(__file__).parent.parent / "SECURITY.md").read_text()
NOT_A_BOUND = {"when_full", "high_water", "low_water", "overflow"}


def test_every_limit_is_told_with_its_default() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", TEXT, re.MULTILINE))
    bounds = [each.name for each in fields(Limits) if each.name not in NOT_A_BOUND]
    assert told == {name: str(getattr(Limits(), name)) for name in bounds}


def test_the_longest_message_is_told() -> None:
    assert f"Framing(max_frame_length={Framing().max_frame_length})" in TEXT
