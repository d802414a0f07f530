"""What a process does that lives on another system: a program that is told which of these, and says whether it went."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from helpers import FrameRecorder, Recorder

from reactor import Limits, Protocol, Reactor

LOCAL = "127.0.0.1"
LARGE = b"large" * 100_000  # more than a socket takes at once


class Echo(FrameRecorder):
    def message_received(self, message: bytes) -> None:
        self.send(message)


class RawEcho(Protocol):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Asking(FrameRecorder):
    """Sends two messages at once, and goes when it has them back."""

    def connection_made(self, transport: Any) -> None:
        self.send(b"small")
        self.send(LARGE)

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) == 2:
            self.transport.close()


class RawAsking(Recorder):
    """The same with bytes."""

    transport: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.writelines([b"small", LARGE])

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self.data) >= len(b"small" + LARGE):
            self.transport.close()


def framed() -> None:
    client = Asking()
    _meet(Echo, client)
    print(client.messages == [b"small", LARGE])


def raw() -> None:
    client = RawAsking()
    _meet(RawEcho, client)
    print(client.data == b"small" + LARGE)


def _meet(server: Callable[[], Any], client: Any, tls: tuple[Any, Any] = (None, None), **named: Any) -> None:
    """Let a client meet a server, until its end."""
    limits = Limits(max_write_buffer=None)
    with Reactor() as net:
        port = net.listen_tcp(server, LOCAL, 0, tls=tls[0], limits=limits).addresses[0][1]
        net.connect_tcp(lambda: client, LOCAL, port, tls=tls[1], limits=limits, **named)
        deadline = time.monotonic() + 20
        while not client.ended and time.monotonic() < deadline:
            net.run_once(0.05)


if __name__ == "__main__":
    {each.__name__: each for each in (framed, raw)}[sys.argv[1]](*sys.argv[2:])
