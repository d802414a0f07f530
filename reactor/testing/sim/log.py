"""EventLog: everything that happened, in order. Law: the same seed writes the same bytes, on every machine."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

from .events import Events


class EventLog:
    """Lines of a time, a place and a text; the last `most` of them. A line is put together when it is read."""

    def __init__(self, events: Events, most: int) -> None:
        self._events = events
        self._entries: deque[tuple[float, str, str, tuple[Any, ...]]] = deque(maxlen=most)
        self.written = 0  # lines, those too that are forgotten

    def note(self, where: str, text: str, *args: Any) -> None:
        """Write a line; `args` are put into `text` as logging does, later: give it values that don't change."""
        self.written += 1
        self._entries.append((self._events.now, where, text, args))

    def lines(self, last: int | None = None) -> list[str]:
        """Return the lines, or the last ones."""
        first = 0 if last is None else max(0, len(self._entries) - last)
        return [
            f"{now:14.6f} {where:<16} {text % args if args else text}"
            for now, where, text, args in islice(self._entries, first, None)
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __len__(self) -> int:
        return len(self._entries)
