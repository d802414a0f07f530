"""Reports of what user code raised. Law: every transport says it in the same words."""

from __future__ import annotations

from typing import Any

from ..loop import EventLoop


def report(loop: EventLoop, exc: BaseException, transport: Any, protocol: Any) -> None:
    """Report an exception that a callback of `protocol` raised, naming the callback."""
    loop.call_exception_handler(
        {"message": f"exception in {_where(exc)}", "exception": exc, "transport": transport, "protocol": protocol}
    )


def _where(exc: BaseException) -> str:
    """Name the function that was called where `exc` was caught."""
    trace = exc.__traceback__
    return trace.tb_next.tb_frame.f_code.co_name if trace is not None and trace.tb_next is not None else "a callback"
