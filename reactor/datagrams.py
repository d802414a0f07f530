"""The doors for datagrams. Law: what fails at once raises there, and nothing waits for a name but `bind_udp()`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from .arguments import check_datagrams, check_door, check_host, check_listening, owns_descriptor
from .connections import Connections
from .handlers import check_datagram_protocol
from .lookup import Lookup
from .transport import DatagramEndpoint, Limits, udp
from .transport.address import TCPAddress, numeric_family
from .transport.resolver import check_port, resolve_now

Failure = Callable[[BaseException], object]


class DatagramDoors(Connections):
    """An event loop that exchanges datagrams."""

    @owns_descriptor
    def bind_udp(
        self,
        factory: Callable[[], Any],
        host: str | None,
        port: int,
        *,
        reuse_port: bool = False,
        broadcast: bool = False,
        sock: socket.socket | int | None = None,
        limits: Limits | None = None,
    ) -> DatagramEndpoint:
        """Receive datagrams at the first address of `host` that this machine has (None or "": all of IPv4's).

        `factory()` makes the DatagramProtocol at once; `connection_made` comes in the next turn. `broadcast`: datagrams
        to broadcast addresses may be sent. `sock`: any datagram socket, or its descriptor, in place of these, an
        AF_UNIX one for one. It is owned from the call on: closed if this raises. What a receiver refuses is told to
        `error_received` on Linux, with its address; elsewhere only who is connected hears of it: see `connect_udp()`.
        """
        self.check_thread("bind_udp")
        check_door(factory, None, limits)
        check_datagrams(None, sock, reuse_port=reuse_port, broadcast=broadcast)
        if sock is None:
            check_listening(host, 0, None)
            check_port(port)
        endpoint = self._endpoint(factory, limits)
        self._open(endpoint, lambda: udp.bind(host, port, reuse_port, broadcast, self.machine), sock, broadcast)
        return endpoint

    @owns_descriptor
    def connect_udp(
        self,
        factory: Callable[[], Any],
        host: str,
        port: int,
        *,
        broadcast: bool = False,
        sock: socket.socket | int | None = None,
        limits: Limits | None = None,
        on_failure: Failure | None = None,
    ) -> DatagramEndpoint:
        """Exchange datagrams with one peer: from others nothing comes, and what it refuses is told.

        As `bind_udp()`, whose `sock` may be connected as well. A name is looked up in a thread: what is sent meanwhile
        waits, and `connection_made` comes when it is known. `on_failure(exc)` is called once if it can't be; else that
        is reported.
        """
        self.check_thread("connect_udp")
        check_door(factory, None, limits)
        check_datagrams(on_failure, sock, broadcast=broadcast)
        if sock is None:
            check_host(host)
            check_port(port)
        endpoint = self._endpoint(factory, limits, on_failure)
        if sock is not None or numeric_family(host) is not None:
            self._open(endpoint, lambda: self._connected(host, port, broadcast), sock, broadcast)
        else:
            timeout = (limits or Limits()).connect_timeout
            self._endpoints[endpoint] = Lookup(self, endpoint, TCPAddress(host, port), broadcast, timeout)
        return endpoint

    def _connected(self, host: str, port: int, broadcast: bool) -> socket.socket:
        return udp.connect(resolve_now(host, port, False, self.machine), broadcast, self.machine)

    def _endpoint(
        self, factory: Callable[[], Any], limits: Limits | None, on_failure: Failure | None = None
    ) -> DatagramEndpoint:
        """Return a datagram endpoint that has no socket yet."""
        self._check_doors()
        protocol = factory()
        self._check_doors()  # it may have forked, and have come back in the child
        check_datagram_protocol(protocol, "the factory %r returned", factory)

        def over(endpoint: DatagramEndpoint, cause: BaseException | None, sock: socket.socket | None) -> None:
            self._let_go_of_datagrams(endpoint, sock)
            if cause is not None and not endpoint.made:
                if on_failure is not None:
                    on_failure(cause)
                else:
                    text = "no datagram endpoint, and no on_failure"
                    self.call_exception_handler({"message": text, "exception": cause, "transport": endpoint})

        return DatagramEndpoint(self, protocol, limits or Limits(), self._memory, over)

    def _open(
        self,
        endpoint: DatagramEndpoint,
        make: Callable[[], socket.socket],
        given: Any,  # a socket by now
        broadcast: bool,
    ) -> None:
        """Give an endpoint its socket: the one that was given, or a new one."""
        sock = make() if given is None else udp.adopt(given, broadcast)
        try:
            endpoint.open(sock)
        except BaseException:
            udp.close(sock)
            raise
        self._endpoints[endpoint] = None
