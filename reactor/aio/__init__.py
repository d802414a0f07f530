"""The same protocols under asyncio and uvloop, and await for those who want it. Law: nothing else imports asyncio."""

from .adapt import Adapter, adapt
from .attach import Attached, attach
from .streams import FramedStream, open_framed, serve_framed

__all__ = ["Adapter", "Attached", "FramedStream", "adapt", "attach", "open_framed", "serve_framed"]
