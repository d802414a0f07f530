"""CONTRIBUTING.md names what is there: folders, files, commands, and the names in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:tests|docs|bench|reactor|src_ext)/[\w/*.]*\w", TEXT))))
def test_a_path_that_is_named_is_there(path: str) -> None:
    assert list(ROOT.glob(path))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))))
def test_a_target_that_is_named_is_there(target: str) -> None:
    assert f"\n{target}: " in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("WIRES", "tests/framing/test_presets.py"),
        ("BREAKERS", "tests/testing/test_breakers.py"),
        ("RANKS", "tests/test_layers.py"),
    ],
)
def test_a_table_that_is_named_is_there(name: str, where: str) -> None:
    assert re.search(rf"^{name}\b", (ROOT / where).read_text(), re.MULTILINE)
