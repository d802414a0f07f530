"""What is written to a person's terminal. Law: no byte of a peer's moves its cursor, and no line of progress stays."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_CLEAR_LINE = "\r\x1b[K"


def harmless(text: str) -> str:
    """Return text in which all is spelt that isn't seen: ESC, a bell, a line end, what turns the writing round."""
    return "".join(each if each.isprintable() else _spelt(each) for each in text)


def shown(text: str, stream: TextIO | None = None) -> str:
    """Return text as it may be written there: as it is, unless that is a terminal."""
    return harmless(text) if (stream or sys.stdout).isatty() else text


class Progress:
    """One line of a terminal that is written anew; nothing where stderr is none, or can't move its cursor."""

    def __init__(self) -> None:
        self.is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, text: str) -> None:
        if self.is_live:
            print(f"{_CLEAR_LINE}{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        self.show("")


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
