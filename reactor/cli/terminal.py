"""What is written to a person's terminal. Law: no byte of a peer's moves its cursor, and no line of progress stays.

In a pipe, or a log, progress is plain lines, few of them.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

_CLEAR_LINE = "\r\x1b[K"


def harmless(text: str) -> str:
    """Return text in which all is spelt that isn't seen: ESC, a bell, a line end, what turns the writing round."""
    return "".join(each if each.isprintable() else _spelt(each) for each in text)


def shown(text: str, stream: TextIO | None = None) -> str:
    """Return text as it may be written there: as it is, unless that is a terminal."""
    return harmless(text) if (stream or sys.stdout).isatty() else text


class Progress:
    """On stderr: one line that is written anew; where that is no terminal, or can't move its cursor, plain lines."""

    def __init__(self, command: str) -> None:
        self.is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._command = command
        self._stage = ""

    def show(self, stage: str, detail: str = "") -> None:
        """Say what is being done; a plain line tells each stage once, without its details."""
        if self.is_live:
            self._write(f"{_CLEAR_LINE}{stage}: {detail}" if detail else f"{_CLEAR_LINE}{stage}")
        elif stage != self._stage:
            self._write(f"{self._command}: {stage}\n")
        self._stage = stage

    def clear(self) -> None:
        if self.is_live:
            self._write(_CLEAR_LINE)

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError):  # nobody needs it enough to lose the work for it
            print(text, end="", file=sys.stderr, flush=True)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
