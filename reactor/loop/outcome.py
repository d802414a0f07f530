"""The future of a call in a thread. Law: an exception is told to somebody, and if nobody asks, to the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from .report import log_context

T = TypeVar("T")
Report = Callable[[dict[str, Any]], object]


class Outcome(Future[T]):
    """The future of a call. An exception that nobody has asked it for when it is let go of is reported on the loop."""

    def __init__(self, name: str, call_soon_threadsafe: Callable[..., object], report: Report) -> None:
        super().__init__()
        self._name = name
        self._untold: tuple[Callable[..., object], Report] | None = (call_soon_threadsafe, report)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        exc = super().exception(timeout)
        self._untold = None
        return exc

    def result(self, timeout: float | None = None) -> T:
        self.exception(timeout)
        return super().result()

    def set_result(self, result: T) -> None:
        self._untold = None  # there is nothing to tell, and who keeps the result needn't keep the loop
        super().set_result(result)

    def __del__(self) -> None:
        """Report, in whichever thread lets go of it; nobody is left to wait, so this doesn't."""
        if self._untold is None or not self.done() or self.cancelled():
            return
        call_soon_threadsafe, report = self._untold
        exc = super().exception()
        if exc is not None:
            context = {"message": f"exception in a thread, in {self._name}, and nobody asked for it", "exception": exc}
            try:
                call_soon_threadsafe(report, context)
            except RuntimeError:  # the loop is closed
                log_context(context)
