"""Reports of what user code raised. Law: every transport says it in the same words."""

from __future__ import annotations

from typing import Any

from ..loop import EventLoop

_LIBRARY = __name__.rpartition("transport.")[0]  # "reactor.", or where a vendored copy lies


def report(loop: EventLoop, exc: BaseException, transport: Any, protocol: Any) -> None:
    """Report an exception that a callback of `protocol` raised, naming the callback."""
    loop.call_exception_handler(
        {"message": f"exception in {_where(exc)}", "exception": exc, "transport": transport, "protocol": protocol}
    )


def _where(exc: BaseException) -> str:
    """Name the callback that raised: the first function on the way that isn't the library's."""
    trace, name = exc.__traceback__, "a callback"
    while trace is not None:
        name = trace.tb_frame.f_code.co_name
        if not trace.tb_frame.f_globals.get("__name__", "").startswith(_LIBRARY):
            break
        trace = trace.tb_next
    return name
