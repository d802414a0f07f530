"""App: what a name stands for, and what is told of one that fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import in_child

from reactor.workers.app import check_target, load, told


@pytest.mark.parametrize("target", ["app:setup", "a.b.c:setup", "app:Class.setup", print])
def test_a_module_and_a_function_are_an_app(target: Any) -> None:
    check_target(target)


@pytest.mark.parametrize("target", ["", "app", "app:", ":setup", "app/setup", "app.py:setup()", "a b:c", "..a:b"])
def test_anything_else_names_none(target: str) -> None:
    with pytest.raises(ValueError, match="MODULE:FUNCTION is needed"):
        check_target(target)


def test_what_is_no_name_and_no_function_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="target is 5"):
        check_target(5)


def test_an_app_is_imported_from_where_the_process_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "an_app.py").write_text(
        "class A:\n    @staticmethod\n    def setup(reactor, sockets):\n        return 5\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    assert in_child(lambda: load("an_app:A.setup")(None, [])) == "5"
    assert not (tmp_path / "__pycache__").exists(), "what is changed twice in a second would run as it was"


def test_a_function_is_itself() -> None:
    assert load(print) is print


def test_what_failed_is_told_in_a_line_and_with_its_own_steps_alone() -> None:
    def setup() -> None:
        raise ValueError("two\nlines")

    try:
        setup()
    except ValueError as exc:
        failure = told(setup, exc)
    assert failure["failed"].startswith("test_what_failed")
    assert failure["failed"].endswith("setup failed: ValueError: two\nlines")
    assert 'raise ValueError("two\\nlines")' in failure["trace"]
