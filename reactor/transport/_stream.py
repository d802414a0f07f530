"""Choose the twin of the stream: the one that goes with the codec's, since the compiled one reaches into it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..framing import EXTENSION
from .sockets import take_next

if TYPE_CHECKING or not EXTENSION:
    from ._stream_py import Stream
else:
    from ._stream_c import Stream

    if sys.platform == "linux":  # elsewhere there may be no accept4(), and a connection inherits no options
        from ._stream_c import take_next

__all__ = ["Stream", "take_next"]
