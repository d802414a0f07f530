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
        self,
        loop: EventLoop,
        endpoint: Endpoint,
        on_done: Callable[[Attempt, OSError | None], object],
        local: Endpoint | None,
    ) -> None:
        self.sock = sockets.start_connect(*endpoint, None if local is None else local.sockaddr, loop.machine)
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
    """Looks for a connection: resolves, races the addresses, and tries again as it was told. Loop thread only.

    Made by `Reactor.connect_tcp` and `connect_unix`. `connection` is the one that stands now. `close()` ends it, at any
    moment: with `reconnect` the connection that stands is closed, too; without, one that is made stays.

    `timeout` bounds each round, from the loop's first turn on. What stands is handed to `on_socket(sock, peer)`.
    Whoever has it says `note(connection)` of what it makes of it, `failed(exc)` if that ended before it was of use,
    which is one more failure, and `ended(cause)` if it ended later. `retry` says when to try again until a connection
    is made, `reconnect` when behind one, and until then where there is no `retry`. When there is to be no other try,
    `on_failure(exc)` is called, once. None of this happens inside `connect_tcp`. `sock`: a connected one, to use
    instead, once. `on_close()` is called by `close()`, to end what has been handed over. `local`: what to bind to.
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
        reconnect: Backoff | None = None,
        local: Endpoint | None = None,
    ) -> None:
        if sock is None and isinstance(address, TCPAddress):
            check_port(address.port)
        self._loop = loop
        self._address = address
        self._on_socket = on_socket
        self._on_failure = on_failure
        self._on_close = on_close
        self._timeout = timeout
        self._local = local
        self._reconnect = reconnect
        self._backoff = (retry or reconnect) if sock is None else None  # the one that holds now
        self._given = sock  # connected already, by somebody else
        self._failures = self._waits = 0  # in a row
        self._waits_behind: BaseException | None = None  # while it waits for the next try
        self._connection: Any = None
        self._stood_at = 0.0
        self._round = 0  # answers that a name gives too late belong to an earlier one
        self._calls: list[Handle] = []
        self._lookup: futures.Future[list[Endpoint]] | None = None
        self._head_start: Timer | None = None
        self._endpoints: list[Endpoint] = []
        self._attempts: list[Attempt] = []
        self.closed = False
        self._begin()

    @property
    def connection(self) -> Any:
        """The connection that stands and can be written to; None before, in between and behind the last."""
        present = self._connection
        return present if present is not None and present.made and not present.is_closing() else None

    def close(self) -> None:
        """Give up: `on_failure` comes no more. Idempotent, at any moment.

        With `reconnect` this closes the connection that stands; without, a connection that is made already stays.
        """
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

    def note(self, connection: Any) -> None:
        """Note which connection is made of what was handed over; None when it is over, or there is none."""
        self._connection = connection

    def failed(self, error: BaseException) -> None:
        """Try again after what the network did, if there is to be another try; else it is the end."""
        self._end_round()
        if not self.closed:
            self._failures += 1
            backoff = self._backoff if isinstance(error, OSError) else None  # trying again mends no wrong argument
            self._try_again(error, backoff)

    def ended(self, cause: BaseException | None) -> None:
        """Dial again behind a connection that was made, if that is agreed; else all is over."""
        reconnect = self._reconnect
        if self.closed:
            return None
        if reconnect is None:
            return self.close()
        self._end_round()
        lived = self._loop.time() - self._stood_at
        if lived >= reconnect.longest or self._backoff is not reconnect:
            self._backoff, self._failures, self._waits = reconnect, 0, 0
        if lived < reconnect.longest:  # or who is thrown out at once would be back at once
            self._failures += 1
        error = cause or ConnectionError(f"the connection with {self._address} ended after {lived:.3g} s")
        return self._try_again(error, reconnect)

    def dial_no_more(self) -> None:
        """Begin no other try. What is under way comes to its end; where one is waited for, that was the last one."""
        self._backoff = self._reconnect = None
        error = self._waits_behind
        if error is not None:
            self._end_round()
            self._waits_behind = error
            self._calls.append(self._loop.call_soon(self.failed, error))

    def mend(self) -> None:
        """Put in order what an exception out of nowhere has left: begin anew what was under way, or the wait for it."""
        if self.closed or self._connection is not None or self._given is not None:
            return
        error, backoff = self._waits_behind, self._backoff
        self._end_round()
        if error is None:
            self._begin()
        else:
            self._waits -= 1
            self._try_again(error, backoff)

    def _try_again(self, error: BaseException, backoff: Backoff | None) -> None:
        """Wait, then begin the next round; if there is to be none, tell of the error, and be over."""
        if backoff is None or backoff.is_spent(self._failures):
            on_failure = self._on_failure
            self._end()
            on_failure(error)
        else:
            self._waits += 1
            self._waits_behind = error
            delay = backoff.wait(self._waits)
            self._calls.append(self._loop.call_later(delay, self._begin))
            say(_log, logging.DEBUG, "no connection to %s: %s. Next try in %.3g s", self._address, error, delay)

    def _begin(self) -> None:
        self._waits_behind = None
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
        return self._hand_over(sock, peer)

    def _hand_over(self, sock: socket.socket, peer: Any) -> None:
        self._end_round()
        self._stood_at = self._loop.time()
        self._on_socket(sock, peer)

    def _resolved(self, asked_in: int, future: futures.Future[list[Endpoint]]) -> None:
        if asked_in != self._round:
            return
        error = future.exception()
        if error is None:
            self._endpoints = _alternate([each for each in future.result() if self._may_reach(each)])
            self._try_next()
        else:
            self.failed(error)

    def _may_reach(self, endpoint: Endpoint) -> bool:
        return self._local is None or self._local.family == endpoint.family

    def _try_next(self) -> None:
        """Begin the next attempt; fail when none is left and none is under way."""
        if self._head_start is not None:
            self._head_start.cancel()
        while self._endpoints:
            try:
                endpoint = self._endpoints.pop(0)
                self._attempts.append(Attempt(self._loop, endpoint, self._attempt_done, self._local))
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
            self.failed(together(errors or [self._no_address()]))
        return None

    def _no_address(self) -> OSError:
        kind = "" if self._local is None else f" of the same kind as {self._local.sockaddr[0]}, which is local_addr"
        return OSError(f"no address for {self._address}{kind}")

    def _attempt_done(self, attempt: Attempt, error: OSError | None) -> None:
        self._attempts.remove(attempt)
        if error is not None:
            attempt.close()
            self._errors.append(error)
            return self._try_next()
        return self._hand_over(attempt.sock, attempt.peer)

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

    def __repr__(self) -> str:
        return f"<Connector {self._where()} to {self._address}>"

    def _where(self) -> str:
        if self.closed:
            return "closed"
        if self._waits_behind is not None:
            return "waiting"
        return "connecting" if self._calls else "connected"

    def _end(self) -> None:
        """Be closed, and in nobody's way: who is told has this connector, too, and both are let go of at once."""
        self.closed = True
        self._on_socket = self._on_failure = self._on_close = _nothing

    def _end_round(self) -> None:
        """Let go of everything that is under way."""
        self._round += 1
        self._waits_behind = None
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
