"""Connector: finds one connection to an address. Law: it hands over a socket, or one reason why there is none.

Addresses are raced as RFC 8305 (happy eyeballs) says: families in turn, the next one begun when the last one failed or
after a quarter of a second, the first that stands wins and all others are closed at once.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from itertools import chain, zip_longest
from selectors import EVENT_WRITE
from typing import Any

from ..errors import ConnectionTimeout
from ..late import futures
from ..loop import EventLoop, Handle, Timer
from ..loop.report import say
from ..loop.watch import nothing_to_do
from . import sockets
from .address import TCPAddress, UnixAddress
from .limits import Backoff
from .resolver import Endpoint, check_port, resolve, together

_HEAD_START = 0.25  # seconds; RFC 8305, section 5: the recommended Connection Attempt Delay

_log = logging.getLogger(__name__)


class Attempt:
    """One socket that is connecting. Calls `on_done(self, error)` once, unless it is closed before."""

    def __init__(
        self, loop: EventLoop, endpoint: Endpoint, on_done: Callable[[Attempt, OSError | None], object]
    ) -> None:
        self.sock = sockets.start_connect(*endpoint)
        self.peer = endpoint.sockaddr
        self._on_done = on_done
        self._watch = loop.watch(self.sock, nothing_to_do, self._ready)
        try:
            self._watch.want(EVENT_WRITE)
        except BaseException:
            sockets.close(self.sock, reset=False)
            raise

    def _ready(self) -> None:
        error = sockets.connect_result(self.sock, self.peer)
        self._watch.close()
        self._on_done(self, error)

    def close(self) -> None:
        self._watch.close()
        sockets.close(self.sock, reset=False)


class Connector:
    """Looks for one connection: resolves, races the addresses, and tries again as `retry` says. Loop thread only.

    Made by `Reactor.connect_tcp` and `connect_unix`; `close()` gives it up; a connection that is made stays.

    `timeout` bounds each round, from the loop's first turn on. What stands is handed to `on_socket(sock, peer)`.
    Whoever has it says `failed(exc)` if it ended before it was of use: that is one more failure. When there is to be no
    other try, `on_failure(exc)` is called, once. None of this happens inside `connect_tcp`. `sock`: a connected one, to
    use instead, once. `on_close()` is called by `close()`, to end what has been handed over.
    """

    def __init__(
        self,
        loop: EventLoop,
        address: TCPAddress | UnixAddress,
        on_socket: Callable[[socket.socket, Any], object],
        on_failure: Callable[[BaseException], object],
        timeout: float | None,
        retry: Backoff | None = None,
        sock: socket.socket | None = None,
        on_close: Callable[[], object] = nothing_to_do,
    ) -> None:
        if sock is None and isinstance(address, TCPAddress):
            check_port(address.port)
        self._loop = loop
        self._address = address
        self._on_socket = on_socket
        self._on_failure = on_failure
        self._on_close = on_close
        self._timeout = timeout
        self._retry = retry if sock is None else None
        self._given = sock  # connected already, by somebody else
        self._failures = 0
        self._round = 0  # answers that a name gives too late belong to an earlier one
        self._calls: list[Handle] = []
        self._lookup: futures.Future[list[Endpoint]] | None = None
        self._head_start: Timer | None = None
        self._endpoints: list[Endpoint] = []
        self._attempts: list[Attempt] = []
        self.closed = False
        self._begin()

    def close(self) -> None:
        """Give up: no callback comes any more. A connection that is made already stays. Idempotent, at any moment."""
        self._loop.check_thread("close")
        if not self.closed:
            self._end_round()
            on_close = self._on_close
            self._end()
            on_close()

    def abandon(self) -> None:
        """Give up without a word to anybody, in a child of fork()."""
        self._end_round()
        self._end()

    def failed(self, error: BaseException) -> None:
        """Try again after what the network did, if there is to be another try; else it is the end."""
        self._end_round()
        if self.closed:
            return
        self._failures += 1
        retry = self._retry if isinstance(error, OSError) else None  # trying again mends no wrong argument
        delay = None if retry is None else retry.delay(self._failures)
        if delay is None:
            on_failure = self._on_failure
            self._end()
            on_failure(error)
        else:
            self._calls.append(self._loop.call_later(delay, self._begin))
            say(_log, logging.DEBUG, "no connection to %s: %s. Next try in %.3g s", self._address, error, delay)

    def _begin(self) -> None:
        self._errors: list[OSError] = []  # of this round, one an address
        if self._given is not None:
            self._calls.append(self._loop.call_soon(self._hand_over_given))
            return
        self._calls.append(self._loop.call_soon(self._start_wait))
        if isinstance(self._address, UnixAddress):
            self._endpoints = [Endpoint(socket.AF_UNIX, self._address.path)]
            self._calls.append(self._loop.call_soon(self._try_next))
        else:
            this_round = self._round
            self._lookup = resolve(self._loop, self._address, lambda future: self._resolved(this_round, future))

    def _hand_over_given(self) -> None:
        sock, self._given = self._given, None
        assert sock is not None
        try:
            sockets.prepare(sock)
            peer = sock.getpeername()
        except OSError as exc:
            sockets.close(sock, reset=False)
            return self.failed(sockets.named(exc, "the socket that was given isn't connected"))
        self._end_round()
        self._on_socket(sock, peer)
        return None

    def _resolved(self, asked_in: int, future: futures.Future[list[Endpoint]]) -> None:
        if asked_in != self._round:
            return
        error = future.exception()
        if error is None:
            self._endpoints = _alternate(future.result())
            self._try_next()
        else:
            self.failed(error)

    def _try_next(self) -> None:
        """Begin the next attempt; fail when none is left and none is under way."""
        if self._head_start is not None:
            self._head_start.cancel()
        while self._endpoints:
            try:
                self._attempts.append(Attempt(self._loop, self._endpoints.pop(0), self._attempt_done))
            except OSError as exc:
                self._errors.append(exc)
                continue
            except Exception as exc:  # a path that can't be encoded
                return self.failed(exc)
            if self._endpoints:
                self._head_start = self._loop.call_later(_HEAD_START, self._try_next)
            return None
        if not self._attempts:
            errors, self._errors = self._errors, []
            self.failed(together(errors or [OSError(f"no address for {self._address}")]))
        return None

    def _attempt_done(self, attempt: Attempt, error: OSError | None) -> None:
        self._attempts.remove(attempt)
        if error is not None:
            attempt.close()
            self._errors.append(error)
            return self._try_next()
        self._end_round()
        self._on_socket(attempt.sock, attempt.peer)
        return None

    def _start_wait(self) -> None:
        """Begin to wait now that the loop turns: before, nobody could have answered."""
        if self._timeout is not None:
            self._calls.append(self._loop.call_later(self._timeout, self._timer_rang))

    def _timer_rang(self) -> None:
        self._loop.call_after_look(self._too_late, self._round, not self._attempts)  # who has answered is heard first

    def _too_late(self, this_round: int, nobody_was_asked: bool) -> None:
        if this_round != self._round:
            return
        if (
            nobody_was_asked and self._attempts
        ):  # the answer of the name was there already: it is the loop that was late
            return self._start_wait()
        self._loop.counts["timeouts_connect"] += 1
        text = f"can't connect to {self._address} in {self._timeout:g} s, which is connect_timeout"
        return self.failed(ConnectionTimeout(text))

    def _end(self) -> None:
        """Be closed, and in nobody's way: who is told has this connector, too, and both are let go of at once."""
        self.closed = True
        self._on_socket = self._on_failure = self._on_close = _nothing

    def _end_round(self) -> None:
        """Let go of everything that is under way."""
        self._round += 1
        self._endpoints = []
        for call in (*self._calls, self._head_start):
            if call is not None:
                call.cancel()
        self._calls.clear()
        if self._lookup is not None:
            self._lookup.cancel()  # or each try would have one more name wait for a silent name server
            self._lookup = None
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


def _nothing(*_: object) -> None:
    """What is called once all is over."""
