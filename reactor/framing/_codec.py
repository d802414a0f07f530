"""Choose the twin by REACTOR_EXTENSION: 0 the pure one, 1 the compiled one or ImportError, unset what is there."""

import sys
from typing import TYPE_CHECKING

from .._mode import compiled_wanted
from ._codec_py import BytesLike

_wanted = compiled_wanted()


def _refuse(here: str, built_as: str) -> None:
    """Raise for a twin that was copied: its stream would be given the frames of the package it was built for."""
    if sys.modules.get(built_as) is sys.modules[here]:
        del sys.modules[built_as]  # that package may be imported yet
    raise ImportError(f"{here} was built as {built_as}: build it anew, where it lies now")


if TYPE_CHECKING or _wanted is False:
    from ._codec_py import Decoder, Encoder, encoder_of
else:
    try:
        from ._codec_c import Decoder, Encoder, encoder_of

        if Decoder.__module__ != f"{__package__}._codec_c":
            _refuse(f"{__package__}._codec_c", Decoder.__module__)
    except ImportError:
        if _wanted:
            raise
        from ._codec_py import Decoder, Encoder, encoder_of

EXTENSION: bool = Decoder.__module__.endswith("_c")

__all__ = ["EXTENSION", "BytesLike", "Decoder", "Encoder", "encoder_of"]
