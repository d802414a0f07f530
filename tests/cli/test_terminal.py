"""What a terminal is written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from reactor.cli.terminal import Progress, harmless, shown

HOSTILE = "a\x1b[2Jb\x07\x08\r\n\x9bc\u202ed"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_can_be_seen_stays() -> None:
    assert harmless("wörld 中 'x' ") == "wörld 中 'x' "


def test_what_moves_a_cursor_or_the_writing_is_spelt() -> None:
    assert harmless(HOSTILE) == r"a\x1b[2Jb\x07\x08\r\n\x9bc\u202ed"


def test_a_pipe_is_given_everything_as_it_is() -> None:
    assert shown(HOSTILE, io.StringIO()) == HOSTILE
    assert shown(HOSTILE, Terminal()) == harmless(HOSTILE)


@pytest.mark.parametrize("command", ["send"])
def test_an_answer_moves_no_terminal(serve: Callable[..., Any], command: str) -> None:
    master, slave = os.openpty()
    with open(master, "rb", buffering=0) as screen:
        arguments = [sys.executable, "-m", "reactor", command, serve().address, "a\x1b[2Jb"]
        subprocess.run(arguments, stdout=slave, timeout=60, check=True)
        os.close(slave)
        assert screen.read(100) == b"a\\x1b[2Jb\r\n"


def test_progress_is_one_line_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress("bench")
    progress.show("half", "a message")
    progress.clear()
    assert sys.stderr.getvalue() == "\r\x1b[Khalf: a message\r\x1b[K"  # type: ignore[attr-defined]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_progress_is_a_line_a_stage_in_a_pipe_and_on_a_terminal_that_can_not(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", stream())
    progress = Progress("bench")
    for message in ("first", "second"):
        progress.show("half", message)
    progress.show("all")
    progress.clear()
    assert sys.stderr.getvalue() == "bench: half\nbench: all\n"  # type: ignore[attr-defined]


def test_progress_that_can_not_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        Progress("bench").show("half")
        with suppress(OSError):  # what it holds
            full.close()
