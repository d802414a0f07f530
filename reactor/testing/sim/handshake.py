"""Handshake: how a simulated stream comes about. Law: who gets no answer asks again, and gives up after two minutes."""

from __future__ import annotations

import errno
from typing import Any

from .events import Events
from .flow import HEADER, Flow
from .stream import SimSocket

_FIRST_WAIT, _LAST_WAIT = 1.0, 64.0  # seconds; together 127, as Linux with tcp_syn_retries 6
_NO_ROUTE = 3.0  # seconds until the neighbours are known not to answer


class Handshake:
    """Connects a socket to an address of a host; None where no host has it."""

    def __init__(self, network: Any, sock: SimSocket, host: Any, address: Any) -> None:
        self._network = network
        self._events: Events = network.events
        self._sock, self._host, self._address = sock, host, address
        self._wait = _FIRST_WAIT

    def begin(self) -> None:
        self._note("tcp connects")
        if self._host is None:
            return self._events.after(_NO_ROUTE, self._sock.fail, errno.EHOSTUNREACH)
        self._there = self._network.way(self._sock.host.name, self._host.name)
        self._back = self._network.way(self._host.name, self._sock.host.name)
        return self._ask()

    def _ask(self) -> None:
        if self._sock.closed:
            return
        seconds = None if self._there.ignores else self._there.carry(HEADER)
        if seconds is None:
            self._ask_again()
        else:
            self._events.after(seconds, self._asked)

    def _ask_again(self) -> None:
        if self._wait > _LAST_WAIT:
            self._sock.fail(errno.ETIMEDOUT)
        else:
            self._events.after(self._wait, self._ask)
            self._wait *= 2

    def _asked(self) -> None:
        """Answer, if the host is there."""
        if self._sock.closed:
            return
        seconds = self._back.carry(HEADER) if self._host.up else None
        if seconds is None:
            return self._ask_again()
        listener = self._host.machine.bound_at(self._sock.type, self._address)
        if listener is None or listener.waiting is None or self._there.refuses:
            self._note("tcp refused")
            self._events.after(seconds, self._sock.fail, errno.ECONNREFUSED)
        elif listener.is_full():
            self._note("tcp backlog is full")
            self._ask_again()
        else:
            listener.coming += 1
            self._events.after(seconds, self._answered, listener)

    def _answered(self, listener: SimSocket) -> None:
        sock = self._sock
        if sock.closed:
            listener.coming -= 1
            return
        server = pair(self._network, sock, listener, self._address)
        lasts = self._there.carry(HEADER)
        arrives = self._events.now + (self._there.latency + _FIRST_WAIT if lasts is None else lasts)
        assert sock.out is not None
        sock.out.not_before(arrives)
        self._note("tcp connected")
        self._events.at(arrives, self._complete, listener, server)

    def _complete(self, listener: SimSocket, server: SimSocket) -> None:
        listener.coming -= 1
        listener.take_in(server)

    def _note(self, text: str) -> None:
        where = self._address[0] if self._host is None else self._host.name
        self._network.log.note(f"{self._sock.label}>{where}:{self._address[1]}", text)


def pair(network: Any, sock: SimSocket, listener: SimSocket, address: Any) -> SimSocket:
    """Connect a socket to a new one of the listener's host; return that."""
    there = network.way(sock.host.name, listener.host.name)
    back = network.way(listener.host.name, sock.host.name)
    server = SimSocket(listener.host, listener.family)
    server.name = address
    out = Flow(network.events, network.log, sock, server, there, back)
    inn = Flow(network.events, network.log, server, sock, back, there)
    server.connected(inn, out, sock.name or "")
    sock.connected(out, inn, address)
    return server
