"""Colours on a terminal. Law: a pipe, a file and who sets NO_COLOR get plain text."""

from __future__ import annotations

import os
from typing import TextIO

HEADER, BODY = "36", "32"  # cyan, green


class Paint:
    """Colours text where the stream is a terminal that shows them."""

    def __init__(self, stream: TextIO) -> None:
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"  # https://no-color.org
        self._colours = wanted and stream.isatty()

    def __call__(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[m" if self._colours and text else text
