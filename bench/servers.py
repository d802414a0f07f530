"""The echo servers that the bench compares: `python servers.py NAME` prints the port and serves until it is killed.

Each peer comes twice: as people write it, and tuned as well as we could, so that its authors would accept it.
A server imports only what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

LIMIT = 1 << 20


def reactor_messages() -> None:
    """reactor, a callback per message."""
    from reactor import FramedProtocol

    class Echo(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            self.send(message)

    _reactor(Echo)


def reactor_reads() -> None:
    """reactor, a callback per read."""
    from reactor import FramedProtocol

    class Echo(FramedProtocol):
        def messages_received(self, messages: Any) -> None:
            self.send_many(messages)

    _reactor(Echo)


def _reactor(factory: Callable[[], Any]) -> None:
    from reactor import Reactor

    with Reactor() as reactor:
        server = reactor.listen_tcp(factory, "127.0.0.1", 0)
        print(server.addresses[0][1], flush=True)
        reactor.run()


def _asyncio(protocol: Callable[[], Any], loop: Any) -> None:
    import asyncio

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=4096)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    loop.run_until_complete(serve())


def asyncio_plain() -> None:
    """asyncio, as people write it."""
    import asyncio

    from plain import Plain

    _asyncio(Plain, asyncio.new_event_loop())


def asyncio_tuned() -> None:
    """asyncio, hand-tuned."""
    import asyncio

    from tuned import TunedAsyncio

    _asyncio(TunedAsyncio, asyncio.new_event_loop())


def uvloop_plain() -> None:
    """uvloop, as people write it."""
    import uvloop
    from plain import Plain

    _asyncio(Plain, uvloop.new_event_loop())


def uvloop_tuned() -> None:
    """uvloop, hand-tuned."""
    import uvloop
    from tuned import Tuned

    _asyncio(Tuned, uvloop.new_event_loop())


def twisted_plain() -> None:
    """Twisted's Int32StringReceiver."""
    from twisted.protocols.basic import Int32StringReceiver

    class Echo(Int32StringReceiver):
        MAX_LENGTH = LIMIT

        def stringReceived(self, string: bytes) -> None:  # noqa: N802
            self.sendString(string)

    _twisted(Echo)


def twisted_tuned() -> None:
    """Twisted's Protocol, hand-tuned."""
    from tuned_twisted import TunedTwisted

    _twisted(TunedTwisted)


def _twisted(protocol: Any) -> None:
    from twisted.internet import reactor
    from twisted.internet.protocol import Factory

    port = reactor.listenTCP(0, Factory.forProtocol(protocol), backlog=4096, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


SERVERS = {
    each.__name__: each
    for each in (
        reactor_messages,
        reactor_reads,
        asyncio_plain,
        asyncio_tuned,
        uvloop_plain,
        uvloop_tuned,
        twisted_plain,
        twisted_tuned,
    )
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
