"""What REACTOR_EXTENSION says. Law: this file imports nothing of ours, for a build reads it without the package."""

from __future__ import annotations

import os
import sys

_VARIABLE = "REACTOR_EXTENSION"
_WORDS = {"": None, "0": False, "false": False, "1": True, "true": True}


def compiled_wanted() -> bool | None:
    """Return whether the compiled twins must be there (True), are never taken (False), or may be missing (None)."""
    word = os.environ.get(_VARIABLE, "")
    try:
        return _WORDS[word.lower()]
    except KeyError:
        text = (
            f"{_VARIABLE} is {word!r}: 0 or false takes the pure twin, 1 or true the compiled one, unset what is there"
        )
        raise ValueError(text) from None


def end_command(package: str, exc: Exception) -> None:
    """End the process with one line where it is the package's command line, and the package can't be imported.

    A program that imports it is given the exception; `python -m` and the console script import it before any code of
    the command runs, and for their user a variable that is set wrong would be a traceback.
    """
    if not _is_command(package):
        return
    is_missing = isinstance(exc, ImportError)
    text = f"{_VARIABLE} is {os.environ[_VARIABLE]!r}, and a compiled twin can't be imported: {exc}"
    print(f"{package}: {text if is_missing else exc}", file=sys.stderr)
    raise SystemExit(2)


def _is_command(package: str) -> bool:
    """Whether this process is `python -m PACKAGE`, whose argv has no path yet, or a script of the package's name."""
    program = (sys.argv or [""])[0]
    if program == "-m":
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") == package
    return os.path.basename(program).removesuffix(".exe") == package
