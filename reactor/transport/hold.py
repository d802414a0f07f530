"""Hold: a connection that is busy with something no byte shows. Law: it is let go once, however often that is said."""

from __future__ import annotations

from collections.abc import Callable


class Hold:
    """While it is held, a drain waits for the connection: a request that a thread or a timer will answer.

    A context manager; or call `release()`.
    """

    __slots__ = ("_let_go",)

    def __init__(self, let_go: Callable[[], object]) -> None:
        self._let_go: Callable[[], object] | None = let_go

    def release(self) -> None:
        """Let go. Idempotent; loop thread only."""
        let_go, self._let_go = self._let_go, None
        if let_go is not None:
            let_go()

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
