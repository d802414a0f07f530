"""Choose the twin of the stream: the one that goes with the codec's, since the compiled one reaches into it.

Where the compiled one is missing, the pure one gets along with either codec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import framing
from .._mode import compiled_wanted
from .sockets import Take, take_next, take_unnumbered

if TYPE_CHECKING or not framing.EXTENSION:
    from ._stream_py import Intake, Outlet, Stream
else:
    try:
        from ._stream_c import Intake, Outlet, Stream
    except ImportError:
        if compiled_wanted():
            raise
        from ._stream_py import Intake, Outlet, Stream

EXTENSION: bool = Stream.__module__.endswith("_c")  # then both are: all of the hot path is compiled

if not TYPE_CHECKING and EXTENSION:
    from ._stream_c import take_next


def taker_of(sock: Any) -> Take:
    """Return what accepts once from a listening socket."""
    return take_next if sock.fileno() >= 0 else take_unnumbered


__all__ = ["EXTENSION", "Intake", "Outlet", "Stream", "take_next", "taker_of"]
