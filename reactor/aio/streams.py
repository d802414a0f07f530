"""FramedStream: messages for who awaits them. Law: a message is taken or it is there for the next one; none is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from ..framing import BytesLike, Framing
from ..protocol import FramedProtocol
from ..transport import Connection, Limits
from .adapt import adapt

_MOST_WAITING = 1024  # messages: as many as one read may bring, then reading pauses until half of them are taken


class FramedStream(FramedProtocol):
    """One connection. `async for message in stream`, or `await stream.receive()`; `await stream.send(message)`.

    A receive that is cancelled leaves its message to the next one. Whatever ended the connection is raised behind the
    last message; its clean end ends the loop. `async with` closes it.
    """

    transport: Connection

    def __init__(self, framing: Framing, on_made: Callable[[FramedStream], object] | None = None) -> None:
        self.framing = framing
        self._on_made = on_made
        self._messages: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None  # who waits for a message, or for the end
        self._room: asyncio.Future[None] | None = None  # while too much waits for the peer
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._cause: BaseException | None = None
        self._full = False

    # --- for who awaits

    @property
    def peername(self) -> Any:
        """The peer's address."""
        return self.transport.get_extra_info("peername")

    def receive(self) -> Coroutine[Any, Any, bytes]:
        """Return the next message. Raises what ended the connection, EOFError for a clean end."""
        return self._next(EOFError)

    def __aiter__(self) -> FramedStream:
        return self

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        return self._next(StopAsyncIteration)

    async def _next(self, end: type[Exception]) -> bytes:
        """Wait until there is a message, and take it: who is cancelled has taken none. `end` is raised for a clean end.

        One coroutine for all of it: a second one would cost as much as the rest of this.
        """
        while not self._messages:
            if self._over.done():
                raise self._cause or end("the connection has ended: there are no more messages")
            if self._news is not None:
                raise RuntimeError("another task receives from this stream already")
            self._news = self._loop.create_future()
            try:
                await self._news
            finally:
                self._news = None
        if self._full:
            self._take_more()
        return self._messages.popleft()

    def _take_more(self) -> None:
        """Read again, once half of the messages are taken."""
        if len(self._messages) <= _MOST_WAITING // 2 + 1:
            self._full = False
            self.transport.resume_reading()

    async def send(self, message: BytesLike, prefix: BytesLike = b"") -> None:  # type: ignore[override]
        """Send one message; wait while more than `Limits.high_water` bytes wait for the peer.

        Raises FrameTooLarge, and has then sent nothing; what ended the connection, once it has.
        """
        if self._sending.room < 0:
            self._check_open()
        self._put(message, prefix)
        if self._room is not None or self._sending.room < 0:
            await self._drain()

    async def send_many(self, messages: Iterable[BytesLike]) -> None:  # type: ignore[override]
        """Send messages, all or none, as `send()` does."""
        if self._sending.room < 0:
            self._check_open()
        self._put_many(messages)
        if self._room is not None or self._sending.room < 0:
            await self._drain()

    async def aclose(self) -> None:
        """Send what waits, then end, within `Limits.close_timeout` of no progress. Idempotent."""
        self.transport.close()
        await asyncio.shield(self._over)

    async def __aenter__(self) -> FramedStream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.transport.abort()
        await self.aclose()

    def _check_open(self) -> None:
        if self._over.done() or self.transport.is_closing():
            raise self._cause or ConnectionResetError("the connection has ended: nothing can be sent")
        self._check_sendable()

    def _check_sendable(self) -> None:
        """Raise what ended the connection, or lets nothing more be sent."""
        why = self._cause if self._over.done() else self.transport.unsendable
        if why is not None:
            raise why

    async def _drain(self) -> None:
        while self._room is not None:
            await asyncio.shield(self._room)
        self._check_sendable()

    # --- for the connection

    def connection_made(self, transport: Any) -> None:
        self._sending = transport.stream  # its `room` is negative when nothing more can be sent
        self._put, self._put_many = transport.stream.send, transport.stream.send_many
        if self._on_made is not None:
            self._on_made(self)
            self._on_made = None

    def messages_received(self, messages: Iterable[bytes]) -> None:
        self._messages.extend(messages)
        if len(self._messages) >= _MOST_WAITING and not self._full:
            self._full = True
            self.transport.pause_reading()
        news = self._news
        if news is not None and not news.done():
            news.set_result(None)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        self._let_send()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._cause = exc
        self._over.set_result(None)
        self._let_send()
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _let_send(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


async def open_framed(
    host: str,
    port: int,
    framing: Framing,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    **options: Any,
) -> FramedStream:
    """Connect, and return the stream. `options` are `loop.create_connection()`'s, `limits` as `adapt()` has them.

    Looking up, connecting and shaking hands take as long as asyncio lets them: `asyncio.wait_for()` bounds all three.
    """
    loop = asyncio.get_running_loop()
    _check_framing(framing)
    make = adapt(lambda: FramedStream(framing), limits=limits)
    _, adapter = await loop.create_connection(make, host, port, ssl=tls, server_hostname=server_hostname, **options)
    return adapter.protocol  # type: ignore[no-any-return]


async def serve_framed(
    handler: Callable[[FramedStream], Awaitable[object]],
    host: str,
    port: int,
    framing: Framing,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> asyncio.Server:
    """Listen, and await `handler(stream)` in a task for each connection, which is closed when that returns.

    What a handler raises is reported by the loop's exception handler, and resets its connection alone. Returns
    asyncio's Server, which the caller closes; `options` are those of `loop.create_server()`, `limits` as `adapt()` has
    them: how many may come, and how long one may say nothing, is for the handler to bound.
    """
    loop = asyncio.get_running_loop()
    _check_framing(framing)
    if not callable(handler):
        raise TypeError(f"handler is {handler!r}, it must be callable: an async function of a stream")
    tasks: set[asyncio.Task[None]] = set()

    def begin(stream: FramedStream) -> None:
        task = loop.create_task(_handle(handler, stream))
        tasks.add(task)  # or nobody would hold it
        task.add_done_callback(tasks.discard)

    make = adapt(lambda: FramedStream(framing, begin), limits=limits)
    return await loop.create_server(make, host, port, ssl=tls, **options)


def _check_framing(framing: object) -> None:
    if not isinstance(framing, Framing):
        raise TypeError(f"framing is {framing!r}, it must be a Framing such as Framing()")


async def _handle(handler: Callable[[FramedStream], Awaitable[object]], stream: FramedStream) -> None:
    """Let one connection be handled, and end it."""
    try:
        async with stream:
            await handler(stream)
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        if exc is not stream._cause:  # how the connection ended, which is no mistake of the handler's
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"exception in {getattr(handler, '__qualname__', handler)}", "exception": exc}
            )
