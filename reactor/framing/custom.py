"""Ask a user's `read_header`. Law: what it says is told the same however the header was cut; a mistake is a bad header.

Both twins come here. They ask it themselves first, since nearly always it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import FramingError
from . import verdicts

ReadHeader = Callable[[bytes], "tuple[int, int] | None"]
WriteHeader = Callable[[int, bytes], bytes]


def ask(read_header: ReadHeader, head: bytes, most: int, limit: int, offset: int) -> tuple[int, int] | None:
    """Return how long header and body are; None while that can't be told.

    Raises the FramingError that the shortest beginning of `head` gives rise to: its `header` is that.
    """
    try:
        return _checked(read_header(head), head, most, limit, offset)
    except Exception:
        for size in range(1, len(head)):
            answer = _ask_once(read_header, head[:size], most, limit, offset)
            if answer is not None:
                return answer
        return _ask_once(read_header, head, most, limit, offset)


def _ask_once(read_header: ReadHeader, head: bytes, most: int, limit: int, offset: int) -> tuple[int, int] | None:
    """Ask of one beginning, whatever comes out of it."""
    try:
        return _checked(read_header(head), head, most, limit, offset)
    except FramingError as exc:
        exc.limit, exc.header, exc.stream_offset = limit, head, offset
        raise
    except ValueError as exc:
        raise verdicts.header_refused(str(exc) or "read_header refused it", limit, head, offset) from exc
    except Exception as exc:
        reason = f"read_header raised {type(exc).__name__}: {exc}"
        raise verdicts.header_refused(reason, limit, head, offset) from exc


def _checked(answer: Any, head: bytes, most: int, limit: int, offset: int) -> tuple[int, int] | None:
    """Refuse an answer under which no stream can go on."""
    if answer is None:
        if len(head) < most:
            return None
        reason = f"read_header can't tell after max_header_length bytes, which is {most}"
        raise verdicts.header_refused(reason, limit, head, offset)
    if not (isinstance(answer, tuple) and len(answer) == 2 and all(type(number) is int for number in answer)):
        reason = f"read_header returned {answer!r}, it must be (header bytes, body bytes) or None"
        raise verdicts.header_refused(reason, limit, head, offset)
    header, body = answer
    if not 0 <= header <= most or body < 0 or header + body == 0:
        reason = f"read_header returned {answer!r}, max_header_length is {most}, and no frame is empty or negative"
        raise verdicts.header_refused(reason, limit, head, offset)
    return header, body
