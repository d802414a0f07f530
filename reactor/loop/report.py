"""The log's words for what nobody else was told. Law: writing them down never raises."""

from __future__ import annotations

import logging
import math
import traceback
from contextlib import suppress
from typing import Any

_ONE_LINE = 60.0  # seconds

_log = logging.getLogger(__name__)


def log_context(context: dict[str, Any]) -> None:
    """Log what an exception handler would be given: `message`, `exception`, and what else is known."""
    exc = context.get("exception")
    details = "".join(f"; {key}: {_shown(context[key])}" for key in context if key not in ("message", "exception"))
    info = (type(exc), exc, exc.__traceback__) if isinstance(exc, BaseException) else None
    say(_log, logging.ERROR, "%s%s", context.get("message", "unhandled report"), details, exc_info=info)


def say(log: logging.Logger, level: int, text: str, *args: object, exc_info: Any = None) -> None:
    """Log. What a handler or a filter raises goes to stderr, as what logging itself meets does; if it can."""
    try:
        log.log(level, text, *args, exc_info=exc_info)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        with suppress(Exception):
            traceback.print_exc()


class Repeats:
    """What happens again and again: each time is counted, and the log is told once a minute at most."""

    def __init__(self) -> None:
        self.count = 0
        self._told = 0
        self._told_at = -math.inf

    def note(self, now: float) -> int:
        """Count one more. Return how many the log is to be told of now; 0 if it was told within the last minute."""
        self.count += 1
        if now - self._told_at <= _ONE_LINE:
            return 0
        more, self._told, self._told_at = self.count - self._told, self.count, now
        return more


def _shown(value: object) -> str:
    try:
        return repr(value)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:  # half made objects are what broken programs report
        return f"<{type(value).__name__} whose repr raises {type(exc).__name__}>"
