"""Lookup: a datagram endpoint whose host is a name. Law: nobody waits for a name, and it has its time."""

from __future__ import annotations

from .errors import ConnectionTimeout
from .late import futures
from .loop import EventLoop, Timer
from .transport import DatagramEndpoint, udp
from .transport.address import TCPAddress
from .transport.resolver import Endpoint, resolve


class Lookup:
    """Looks up a name, and gives the endpoint a socket that is connected to what was found; or a reason to end."""

    def __init__(
        self, loop: EventLoop, endpoint: DatagramEndpoint, address: TCPAddress, broadcast: bool, timeout: float | None
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._address = address
        self._broadcast = broadcast
        self._timeout = timeout
        self._timer: Timer | None = None
        self._start = loop.call_soon(self._start_wait)
        self._lookup = resolve(loop, address, self._resolved)

    def close(self) -> None:
        """Give up. Idempotent."""
        self._start.cancel()
        self._lookup.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _start_wait(self) -> None:
        """Begin to wait now that the loop turns: before, nobody could have answered."""
        if self._timeout is not None:
            self._timer = self._loop.call_later(self._timeout, self._loop.call_after_look, self._too_late)

    def _resolved(self, future: futures.Future[list[Endpoint]]) -> None:
        self.close()
        if self._endpoint.is_closing():
            return
        try:
            sock = udp.connect(future.result(), self._broadcast, self._loop.machine)
        except Exception as exc:
            return self._endpoint.fail(exc)
        try:
            self._endpoint.open(sock)
        except BaseException:
            udp.close(sock)
            raise

    def _too_late(self) -> None:
        if not self._lookup.done():
            self._loop.counts["timeouts_connect"] += 1
            text = f"can't look up {self._address} in {self._timeout:g} s, which is connect_timeout"
            self._endpoint.fail(ConnectionTimeout(text))
