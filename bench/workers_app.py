"""What bench_workers.py has served: echo, a callback a message."""

from __future__ import annotations

from socket import socket

from reactor import FramedProtocol, Reactor


class Echo(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(message)


def setup(reactor: Reactor, sockets: list[socket]) -> None:
    for sock in sockets:
        reactor.listen_tcp(Echo, None, 0, sock=sock)
