"""How a command fails. Law: one line for a person, never a traceback; the status says whose mistake it was."""

from __future__ import annotations

FAILED, MISUSED = 1, 2  # something went wrong; the arguments make no sense


class Failure(Exception):
    """The command ends with this text and this exit status."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def reason(exc: BaseException) -> str:
    """Return what an exception says, without the number that OSError puts in front."""
    if not isinstance(exc, OSError) or not exc.strerror:
        return str(exc)
    return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
