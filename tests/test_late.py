"""Modules that are imported when they are first used."""

from __future__ import annotations

import ssl

import pytest

from reactor import late


def test_a_late_module_has_what_the_module_has() -> None:
    assert late.ssl.SSLContext is ssl.SSLContext


def test_what_was_asked_for_once_is_kept() -> None:
    assert late.ssl.SSLError is vars(late.ssl)["SSLError"]


def test_what_the_module_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ssl' has no attribute 'nothing'"):
        late.ssl.nothing  # type: ignore[attr-defined]  # noqa: B018
