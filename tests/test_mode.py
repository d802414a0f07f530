"""The words that REACTOR_EXTENSION takes."""

from __future__ import annotations

import pytest

from reactor._mode import compiled_wanted


@pytest.mark.parametrize(
    ("word", "wanted"), [("", None), ("0", False), ("false", False), ("FALSE", False), ("1", True), ("True", True)]
)
def test_a_word_is_read(monkeypatch: pytest.MonkeyPatch, word: str, wanted: bool | None) -> None:
    monkeypatch.setenv("REACTOR_EXTENSION", word)
    assert compiled_wanted() is wanted


def test_where_it_is_unset_the_twins_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REACTOR_EXTENSION", raising=False)
    assert compiled_wanted() is None


@pytest.mark.parametrize("word", ["yes", "2", "off", " 1"])
def test_any_other_word_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("REACTOR_EXTENSION", word)
    with pytest.raises(ValueError, match=f"REACTOR_EXTENSION is {word!r}: 0 or false takes the pure twin"):
        compiled_wanted()
