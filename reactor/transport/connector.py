"""Connector: finds one connection to an address. Law: it hands over a socket, or one reason why there is none."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_WRITE
from typing import Any

from ..errors import ConnectionTimeout
from ..loop import EventLoop, Watch
from ..loop.watch import nothing_to_do
from . import sockets
from .address import TCPAddress
from .resolver import Endpoint, resolve


class Connector:
    """Resolves a name and tries its addresses in turn, all within one timeout. Loop thread only.

    Then either `on_socket(sock, peer)` or `on_failure(exc)` is called, once, never from inside `connect_tcp`.
    """

    def __init__(
        self,
        loop: EventLoop,
        address: TCPAddress,
        on_socket: Callable[[socket.socket, Any], object],
        on_failure: Callable[[OSError], object],
        timeout: float | None,
    ) -> None:
        self._loop = loop
        self._address = address
        self._on_socket = on_socket
        self._on_failure = on_failure
        self._endpoints: list[Endpoint] = []
        self._sock: socket.socket | None = None
        self._watch: Watch | None = None
        self._failure: OSError = OSError(f"no address for {address}")
        self._done = False
        late = partial(
            self._fail, ConnectionTimeout(f"can't connect to {address} in {timeout} s, which is connect_timeout")
        )
        self._timer = None if timeout is None else loop.call_later(timeout, late)
        resolve(loop, address, self._resolved)

    def cancel(self) -> None:
        """Give up: neither callback is called any more. Idempotent, at any moment."""
        self._done = True
        self._drop_attempt()
        if self._timer is not None:
            self._timer.cancel()

    def _resolved(self, future: Future[list[Endpoint]]) -> None:
        if self._done:
            return
        error = future.exception()
        if error is None:
            self._endpoints = future.result()
            self._try_next()
        else:
            assert isinstance(error, OSError)
            self._fail(error)

    def _try_next(self) -> None:
        while self._endpoints:
            endpoint = self._endpoints.pop(0)
            try:
                self._sock = sockets.start_connect(*endpoint)
            except OSError as exc:
                self._failure = exc
                continue
            self._watch = self._loop.watch(self._sock, nothing_to_do, partial(self._connect_ready, endpoint.sockaddr))
            self._watch.want(EVENT_WRITE)
            return
        self._fail(self._failure)

    def _connect_ready(self, sockaddr: Any) -> None:
        assert self._sock is not None
        error = sockets.connect_result(self._sock, sockaddr)
        if error is not None:
            self._failure = error
            self._drop_attempt()
            return self._try_next()
        assert self._watch is not None
        self._watch.want(0)
        sock, self._sock = self._sock, None
        self.cancel()
        self._on_socket(sock, sockaddr)
        return None

    def _drop_attempt(self) -> None:
        if self._sock is not None:
            assert self._watch is not None
            self._watch.want(0)
            sockets.close(self._sock, reset=False)
            self._sock = None

    def _fail(self, error: OSError) -> None:
        self.cancel()
        self._on_failure(error)
