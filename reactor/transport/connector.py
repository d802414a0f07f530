"""Connector: finds one connection to an address. Law: it hands over a socket, or one reason why there is none.

Addresses are raced as RFC 8305 (happy eyeballs) says: families in turn, the next one begun when the last one failed or
after a quarter of a second, the first that stands wins and all others are closed at once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from itertools import chain, zip_longest
from selectors import EVENT_WRITE
from typing import Any

from ..errors import ConnectionTimeout
from ..loop import EventLoop, Timer
from ..loop.watch import nothing_to_do
from . import sockets
from .address import TCPAddress, UnixAddress
from .limits import Backoff
from .resolver import Endpoint, check_port, resolve

_HEAD_START = 0.25  # seconds; RFC 8305, section 5: the recommended Connection Attempt Delay


class Attempt:
    """One socket that is connecting. Calls `on_done(self, error)` once, unless it is closed before."""

    def __init__(
        self, loop: EventLoop, endpoint: Endpoint, on_done: Callable[[Attempt, OSError | None], object]
    ) -> None:
        self.sock = sockets.start_connect(*endpoint)
        self.peer = endpoint.sockaddr
        self._on_done = on_done
        self._watch = loop.watch(self.sock, nothing_to_do, self._ready)
        self._watch.want(EVENT_WRITE)

    def _ready(self) -> None:
        error = sockets.connect_result(self.sock, self.peer)
        self._watch.close()
        self._on_done(self, error)

    def close(self) -> None:
        self._watch.close()
        sockets.close(self.sock, reset=False)


class Connector:
    """Resolves, races the addresses, and tries again as `retry` says. `timeout` bounds each round. Loop thread only.

    Then either `on_socket(sock, peer)` or `on_failure(exc)` is called, once, never from inside `connect_tcp`.
    `on_socket` may return what `cancel()` is to call from then on. `sock`: a connected one, to use instead.
    """

    def __init__(
        self,
        loop: EventLoop,
        address: TCPAddress | UnixAddress,
        on_socket: Callable[[socket.socket, Any], Callable[[], object] | None],
        on_failure: Callable[[OSError], object],
        timeout: float | None,
        retry: Backoff | None = None,
        sock: socket.socket | None = None,
    ) -> None:
        if isinstance(address, TCPAddress):
            check_port(address.port)
        self._loop = loop
        self._address = address
        self._on_socket = on_socket
        self._on_failure = on_failure
        self._timeout = timeout
        self._retry = retry
        self._given = sock  # connected already, by somebody else
        self._failures = 0
        self._round = 0  # answers that a name gives too late belong to an earlier one
        self._timers: list[Timer] = []
        self._head_start: Timer | None = None
        self._endpoints: list[Endpoint] = []
        self._attempts: list[Attempt] = []
        self._cancel_further: Callable[[], object] | None = None
        self._begin()

    def cancel(self) -> None:
        """Give up: neither callback is called any more. Idempotent, at any moment until the connection is made."""
        self._end_round()
        if self._cancel_further is not None:
            self._cancel_further()

    def _begin(self) -> None:
        self._error: OSError | None = None
        if self._given is not None:
            self._timers.append(self._loop.call_later(0, self._hand_over_given))
            return
        if self._timeout is not None:
            self._timers.append(self._loop.call_later(self._timeout, self._too_late))
        if isinstance(self._address, UnixAddress):
            self._endpoints = [Endpoint(socket.AF_UNIX, self._address.path)]
            self._timers.append(self._loop.call_later(0, self._try_next))
        else:
            this_round = self._round
            resolve(self._loop, self._address, lambda future: self._resolved(this_round, future))

    def _hand_over_given(self) -> None:
        sock, self._given = self._given, None
        assert sock is not None
        self._end_round()
        try:
            sockets.prepare(sock)
            peer = sock.getpeername()
        except OSError as exc:
            sockets.close(sock, reset=False)
            self._on_failure(sockets.named(exc, "the socket that was given isn't connected"))
            return
        self._cancel_further = self._on_socket(sock, peer)

    def _resolved(self, asked_in: int, future: Future[list[Endpoint]]) -> None:
        if asked_in != self._round:
            return
        error = future.exception()
        if error is None:
            self._endpoints = _alternate(future.result())
            self._try_next()
        else:
            assert isinstance(error, OSError)
            self._fail(error)

    def _try_next(self) -> None:
        """Begin the next attempt; fail when none is left and none is under way."""
        if self._head_start is not None:
            self._head_start.cancel()
        while self._endpoints:
            try:
                self._attempts.append(Attempt(self._loop, self._endpoints.pop(0), self._attempt_done))
            except OSError as exc:
                self._error = self._error or exc
                continue
            if self._endpoints:
                self._head_start = self._loop.call_later(_HEAD_START, self._try_next)
            return
        if not self._attempts:
            self._fail(self._error or OSError(f"no address for {self._address}"))

    def _attempt_done(self, attempt: Attempt, error: OSError | None) -> None:
        self._attempts.remove(attempt)
        if error is not None:
            attempt.close()
            self._error = self._error or error
            return self._try_next()
        self._end_round()
        self._cancel_further = self._on_socket(attempt.sock, attempt.peer)
        return None

    def _too_late(self) -> None:
        self._fail(
            ConnectionTimeout(f"can't connect to {self._address} in {self._timeout:g} s, which is connect_timeout")
        )

    def _fail(self, error: OSError) -> None:
        self._end_round()
        self._failures += 1
        delay = None if self._retry is None else self._retry.delay(self._failures)
        if delay is None:
            self._on_failure(error)
        else:
            self._timers.append(self._loop.call_later(delay, self._begin))

    def _end_round(self) -> None:
        """Let go of everything that is under way."""
        self._round += 1
        self._endpoints = []
        for timer in (*self._timers, self._head_start):
            if timer is not None:
                timer.cancel()
        self._timers.clear()
        for attempt in self._attempts:
            attempt.close()
        self._attempts.clear()
        if self._given is not None:
            sockets.close(self._given, reset=False)
            self._given = None


def _alternate(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Put the families in turns, beginning with the resolver's first: one dead family must not be tried to its end."""
    if not endpoints:
        return []
    first = [each for each in endpoints if each.family == endpoints[0].family]
    others = [each for each in endpoints if each.family != endpoints[0].family]
    return [each for each in chain.from_iterable(zip_longest(first, others)) if each is not None]
