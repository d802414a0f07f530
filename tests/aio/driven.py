"""asyncio's and uvloop's loops, driven turn by turn as the conformance suite drives ours."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import helpers

from reactor import Limits, aio
from reactor.testing.conformance import Maker

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

LOOPS: dict[str, Callable[[], Any]] = {"asyncio": asyncio.SelectorEventLoop}
if find_spec("uvloop") or os.environ.get("REACTOR_PEERS") == "1":  # which says that it has to be there
    LOOPS["uvloop"] = import_module("uvloop").new_event_loop
    _before = helpers.open_files().keys()
    LOOPS["uvloop"]().close()  # libuv opens some descriptors once, and for good
    helpers.NOT_OURS.update(helpers.open_files().keys() - _before)


class Driven:
    """What the suite asks of a loop, of an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.time = loop.time
        self.call_soon = loop.call_soon
        self.stop = loop.stop

    def run_once(self, timeout: float) -> None:
        """Let asyncio look, and run what it finds; adapted connections have their turn behind that.

        It never waits, which `timeout` only allows: who waits for something looks again.
        """
        self.loop.call_soon(self._look, 2)
        self.loop.run_forever()

    def _look(self, more: int) -> None:
        """Stop when asyncio has looked so many times more; uvloop makes two sockets each time that it is run."""
        if more:
            self.loop.call_soon(self._look, more - 1)
        else:
            self.loop.stop()

    def run(self) -> None:
        self.loop.run_forever()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        return _Timer(self.loop.call_later(delay, callback, *args))

    def set_exception_handler(self, handler: Callable[..., object]) -> None:
        self.loop.set_exception_handler(handler)


class _Timer:
    """asyncio's, told as ours: `when` is a number."""

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self.when = handle.when()
        self.cancel = handle.cancel


def fixed_socket() -> socket.socket:
    """Return a socket whose buffers the kernel doesn't make larger while a test waits for them to be full."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 128 * 1024)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    return sock


def made_by(
    new_loop: Callable[[], asyncio.AbstractEventLoop], contexts: Contexts | None = None, swapped: bool = False
) -> Maker:
    """Return what connects two protocols over an asyncio loop."""

    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[Any]:
        caller, called = (other, one) if swapped else (one, other)
        adapters: list[aio.Adapter] = []
        loop = new_loop()
        server_tls, client_tls = contexts or (None, None)

        def noted(make: Callable[[], aio.Adapter]) -> Callable[[], aio.Adapter]:
            return lambda: adapters.append(make()) or adapters[-1]  # type: ignore[func-returns-value]

        accept = noted(aio.adapt(lambda: called, limits=limits))
        listening, dialled = fixed_socket(), fixed_socket()
        listening.bind(("127.0.0.1", 0))
        server = loop.run_until_complete(loop.create_server(accept, sock=listening, ssl=server_tls))
        dialled.connect(listening.getsockname())
        dialled.setblocking(False)
        dial = noted(aio.adapt(lambda: caller, limits=limits))
        name = None if contexts is None else "reactor.test"
        dialling = loop.create_connection(dial, sock=dialled, ssl=client_tls, server_hostname=name)
        connecting = loop.create_task(dialling)  # begins with the first turn
        driven = Driven(loop)
        try:
            yield driven
        finally:
            for adapter in adapters:
                if adapter.connection is not None:
                    adapter.connection.abort()
            server.close()
            with suppress(Exception):
                loop.run_until_complete(asyncio.wait_for(connecting, 1))
            driven.run_once(0)
            bridges = [adapter._bridge for adapter in adapters if hasattr(adapter, "_bridge")]
            for bridge in bridges:
                if not bridge.gone:  # 3.10's TLS waits for a goodbye
                    bridge.abort()
            while not all(bridge.gone for bridge in bridges):
                driven.run_once(0)
            driven.run_once(0)  # uvloop closes sockets behind its iteration
            loop.close()

    return make
