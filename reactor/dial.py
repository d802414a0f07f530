"""Dial: a connection that is to come about, a client's counterpart of Server. Law: how to connect it is told."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import ReactorError
from .loop import EventLoop
from .transport import Backoff, Connection, Connector
from .transport.address import TCPAddress, UnixAddress
from .transport.resolver import Endpoint

Failure = Callable[[Any], object]  # an OSError; any Exception where a host has no encoding, or user code raises
OnEnd = Callable[[Connection, "BaseException | None", socket.socket], object]
Establish = Callable[[socket.socket, Any, OnEnd, Failure], "Connection | None"]


class Plan(NamedTuple):
    """What to dial, from where, and when again; `sock` in place of dialling, if that is given."""

    address: TCPAddress | UnixAddress
    retry: Backoff | None
    reconnect: Backoff | None
    local: Endpoint | None
    sock: socket.socket | None


class Dial:
    """Puts a connection on what its connector finds, and has it look again while none is made, or when one has ended.

    `on_failure(exc)`: once, when there is none and none is to come; without one that is reported. `let_go` is given
    each connection that is over, `on_over` the connector when nothing is to come any more.
    """

    def __init__(
        self,
        loop: EventLoop,
        establish: Establish,
        let_go: Callable[[Connection, socket.socket], object],
        on_failure: Failure | None,
        on_over: Callable[[Connector], object],
    ) -> None:
        self._loop = loop
        self._establish = establish
        self._let_go = let_go
        self._on_failure = on_failure
        self._on_over = on_over
        self._connection: Connection | None = None
        self._connector: Connector

    def begin(self, plan: Plan, timeout: float | None) -> Connector:
        """Begin to look. `timeout` bounds each try."""
        self._comes_back = plan.reconnect is not None
        self._connector = Connector(
            self._loop,
            plan.address,
            self._connected,
            self._failed,
            timeout,
            plan.retry,
            plan.sock,
            self._closed,
            plan.reconnect,
            plan.local,
        )
        return self._connector

    def _connected(self, sock: socket.socket, peer: Any) -> None:
        try:
            connection = self._establish(sock, peer, self._ended, self._broken)
            self._note(connection)
        except BaseException:  # KeyboardInterrupt in the factory: the socket is closed
            self._connector.close()
            raise
        if connection is not None and self._connector.closed:  # by the factory
            connection.abort()
        elif connection is not None:
            connection.start()

    def _note(self, connection: Connection | None) -> None:
        self._connection = connection
        self._connector.note(connection)

    def _ended(self, connection: Connection, cause: BaseException | None, sock: socket.socket) -> None:
        """Note that a connection is over; if it was never made it is one more failure."""
        self._note(None)
        self._let_go(connection, sock)
        if connection.made:
            self._connector.ended(cause)
        elif cause is None:  # it was our own doing
            self._connector.close()
        elif isinstance(cause, (OSError, ReactorError)):
            self._connector.failed(cause)
        else:
            self._broken(cause)

    def _broken(self, exc: BaseException) -> None:
        """Give up for what user code raised: it is reported already, and trying again doesn't mend it."""
        if not self._connector.closed:
            self._connector.close()
            if self._on_failure is not None:
                self._on_failure(exc)

    def _failed(self, exc: BaseException) -> None:
        self._on_over(self._connector)
        if self._on_failure is not None:
            self._on_failure(exc)
        else:
            self._loop.call_exception_handler({"message": "no connection, and no on_failure", "exception": exc})

    def _closed(self) -> None:
        self._on_over(self._connector)
        if self._connection is None:
            return
        if not self._connection.made:
            self._connection.abort()
        elif self._comes_back:
            self._connection.close()
