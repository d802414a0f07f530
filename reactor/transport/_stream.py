"""Choose the twin of the stream: the one that goes with the codec's, since the compiled one reaches into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..framing import EXTENSION

if TYPE_CHECKING or not EXTENSION:
    from ._stream_py import Stream
else:
    from ._stream_c import Stream

__all__ = ["Stream"]
