"""What REACTOR_EXTENSION says. Law: this file imports nothing of ours, for a build reads it without the package."""

from __future__ import annotations

import os

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
