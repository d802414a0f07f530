"""Connections: what a reactor has, and how all of it ends. Law: whatever is made is in one table until it is over."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain

from .lookup import Lookup
from .loop import EventLoop
from .server import Server
from .transport import Connection, Connector, DatagramEndpoint, datagram, sockets, udp
from .transport.buffers import read_memory
from .transport.connection import TRAFFIC
from .transport.linger import Linger, Lingers

_WAITS = ("connect", "handshake", "idle", "read", "first_message", "frame", "write", "close")  # timeouts of `Limits`
_COUNTED = (
    "accepted", "refused_max_connections", "refused_max_per_peer", "shed", "handshake_failures", "partial_sends",
    "pauses_reading", "pauses_writing", "proxy_untrusted", "proxy_corrupt", "proxy_truncated",
    "timeouts_proxy", "datagrams_cut", "datagram_errors", *(f"timeouts_{wait}" for wait in _WAITS),
)  # fmt: skip


class Connections(EventLoop):
    """An event loop with servers, connectors, connections, and sockets that linger for their last bytes."""

    def __init__(
        self, selector: selectors.BaseSelector | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._memory = read_memory()
        self._servers: dict[Server, None] = {}  # those too that are closed and have connections
        self._connectors: set[Connector] = set()
        self._dialled: dict[Connection, None] = {}  # connections that no server has
        self._endpoints: dict[DatagramEndpoint, Lookup | None] = {}  # each with the lookup of its name
        self._lingers = Lingers(self, self._memory, self._lingered)
        self._in_hand: socket.socket | None = None  # has no connection yet, while the factory is called
        self._closing = False
        super().__init__(selector, clock)  # last: from now on a fork may find it

    def _told(self) -> list[str]:
        connections = len(self._dialled) + sum(server.connections for server in list(self._servers))
        return [*super()._told(), f"servers={len(self._servers)}", f"connections={connections}"]

    def _server_over(self, server: Server) -> None:
        del self._servers[server]

    def _let_go(self, connection: Connection, sock: socket.socket, server: Server | None = None) -> Linger | None:
        """Forget a connection that is over; close its socket at once, or return who does when its bytes arrived."""
        if server is None:
            self._dialled.pop(connection, None)
        connection.leave_traffic()
        if not connection.may_lose_bytes():
            if connection.may_cross():
                sockets.end_writing(sock)
            sockets.close(sock, connection.reset)
            self._descriptor_freed()
            return None
        return self._lingers.add(sock, server)

    def _let_go_of_datagrams(self, endpoint: DatagramEndpoint, sock: socket.socket | None) -> None:
        """Forget an endpoint that is over."""
        lookup = self._endpoints.pop(endpoint, None)
        if lookup is not None:
            lookup.close()
        endpoint.leave_traffic()
        if sock is not None:
            udp.close(sock)
            self._descriptor_freed()

    def _lingered(self, linger: Linger, server: Server | None) -> None:
        if server is not None:
            server.lingered(linger)
        self._descriptor_freed()

    def _descriptor_freed(self) -> None:
        for server in list(self._servers):
            server.descriptor_freed()

    def _mend(self) -> None:
        super()._mend()
        for server in list(self._servers):
            server.mend()
        for connector in list(self._connectors):
            connector.mend()
        for connection in list(self._dialled):
            connection.mend()
        for endpoint in list(self._endpoints):
            endpoint.mend()

    def stats(self) -> dict[str, int]:
        """Return the loop's counters and sizes, and those of connections and servers.

        - Now: `connections`, `servers` that listen, `connectors` that aren't done, and datagram `endpoints`.
        - Who came: `accepted`; `refused`, the sum of `refused_max_connections` and `refused_max_per_peer`; `shed`, when
          descriptors ran out; `handshake_failures` of TLS at servers. Behind a `ProxyHeader`: `proxy_untrusted`, whose
          address isn't in it; `proxy_corrupt`, whose header is none; `proxy_truncated`, who ended before it was whole;
          `timeouts_proxy`, who took too long over it.
        - Traffic: `bytes_received` and `bytes_sent`, of the wire; `frames_received`, each piece of a streamed one too;
          `frames_sent` by `send()` and `send_many()`, unless a class has its own; `writes_dropped` while a connection
          stood; `partial_sends`, behind which bytes wait for the peer; `pauses_reading` and `pauses_writing`.
        - Datagrams, whose bytes are in those above: `datagrams_received` and `datagrams_sent`; `datagrams_dropped` for
          want of room to wait; `datagrams_missed`, which found the kernel's queue full, where the system tells;
          `datagrams_cut`, larger than what is read at once; `datagram_errors`, told to `error_received`.
        - What ran out: `timeouts_connect` and so on, for each timeout of `Limits`.
        """
        traffic = chain((each.traffic() for each in self._dialled), *(server.traffic() for server in self._servers))
        ended = [self.counts[name] for name in TRAFFIC]
        counts = {name: self.counts[name] for name in (*_COUNTED, *datagram.TRAFFIC)}
        counts.update(zip(TRAFFIC, map(sum, zip(ended, *traffic, strict=True)), strict=True))
        for endpoint in self._endpoints:
            for name, count in zip(datagram.TRAFFIC, endpoint.traffic(), strict=True):
                counts[name] += count
        return {
            **super().stats(),
            "connections": len(self._dialled) + sum(server.connections for server in self._servers),
            "servers": sum(not server.closed for server in self._servers),
            "connectors": len(self._connectors),
            "endpoints": len(self._endpoints),
            "refused": counts["refused_max_connections"] + counts["refused_max_per_peer"],
            **counts,
        }

    def _abandon(self) -> None:
        try:
            super()._abandon()  # first: from now on what is closed is no word to the kernel
        finally:
            self._abandon_sockets()

    def _abandon_sockets(self) -> None:
        """Close this process's copies of all sockets."""
        if self._in_hand is not None:
            sockets.close(self._in_hand, reset=False)
        for server in self._servers:
            server.abandon()
        for connector in list(self._connectors):
            connector.abandon()
        for connection in self._dialled:
            connection.abandon()
        for endpoint, lookup in self._endpoints.items():
            endpoint.abandon()
            if lookup is not None:
                lookup.close()
        self._connectors.clear()
        self._endpoints.clear()
        self._dialled.clear()
        self._lingers.abandon()

    def close(self) -> None:
        """End everything: servers, connectors, then connections, each with its `connection_lost(None)`.

        A connection that has had its `connection_lost` in good order is not reset: this blocks until its bytes have
        arrived, 2 seconds at most. One that is closing still, and has bytes to send, is: run until its end.
        """
        self.check_thread("close")
        if self._closing:  # connection_lost asks for what is being done
            return
        try:
            if not self._closed and not self._in_turn:
                self._claim("close")
                self._closing = self._in_turn = True  # connection_lost may open nothing here, and make no turn
                self._end_all()
        finally:
            self._in_turn = self._in_turn and not self._closing
            super().close()

    def _end_all(self) -> None:
        """End what there is, whatever raises SystemExit or KeyboardInterrupt in between."""
        if not self._whole:
            self._mend()
        with ExitStack() as steps:
            steps.callback(self._lingers.close_when_arrived)
            steps.callback(self._run_all_closes)
            steps.callback(self._abort_all)
            self._run_all_closes()  # what was closed outside a turn

    def _abort_all(self) -> None:
        servers = list(self._servers)
        for server in servers:
            server.close()
        for connector in list(self._connectors):
            connector.close()
        for server in servers:
            server.abort()
        for connection in list(self._dialled):
            connection.abort()
        for endpoint in list(self._endpoints):
            endpoint.abort()

    def _run_all_closes(self) -> None:
        """Let every end happen, also behind one that left with SystemExit."""
        interrupts: list[BaseException] = []
        while self._flushes or self._closes:
            try:
                self._run_closes()
            except (KeyboardInterrupt, SystemExit) as exc:
                interrupts.append(exc)
        if interrupts:
            raise interrupts[0]

    def _check_doors(self) -> None:
        self._check_open()
        if self._closing:
            raise RuntimeError("the loop is being closed")
