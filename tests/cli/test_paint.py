"""Colours: on a terminal that shows them, and nowhere else."""

from __future__ import annotations

import io

import pytest

from reactor.cli.paint import BODY, HEADER, Paint


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_gets_colours() -> None:
    paint = Paint(Terminal())
    assert paint("00", HEADER) == "\x1b[36m00\x1b[m"
    assert paint("61", BODY) == "\x1b[32m61\x1b[m"
    assert paint("", BODY) == ""


def test_a_pipe_gets_plain_text() -> None:
    assert Paint(io.StringIO())("00", HEADER) == "00"


@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)],
)
def test_who_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str, coloured: bool) -> None:
    monkeypatch.setenv(name, value)
    assert (Paint(Terminal())("00", HEADER) != "00") is coloured
