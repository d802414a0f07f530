"""The servers that the bench compares: `python servers.py LIBRARY_PROTOCOL ROAD WHERE`.

It prints its address, a port or a path, and serves until it is killed. ROAD is tcp, tls or unix; WHERE the path of the
socket, or the file of the certificate. A server imports only what it needs.

Each peer's framed echo comes twice: as people write it, and tuned as well as we could, so that its authors would
accept it.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from typing import Any


def tls_of(road: str, where: str) -> ssl.SSLContext | None:
    """Return what a server shows to its peers, None where it needs nothing."""
    if road != "tls":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where)
    return context


def reactor(protocol: str, road: str, where: str) -> None:
    from reactor_side import PROTOCOLS

    from reactor import Reactor

    with Reactor() as reactor:
        factory, tls = PROTOCOLS[protocol], tls_of(road, where)
        if road == "unix":
            reactor.listen_unix(factory, where)
            print(where, flush=True)
        else:
            limits = getattr(factory, "limits", None)
            server = reactor.listen_tcp(factory, "127.0.0.1", 0, tls=tls, limits=limits)
            print(server.addresses[0][1], flush=True)
        reactor.run()


def on_loop(loop: Any, protocol: str, road: str, where: str, protocols: dict[str, Any] | None = None) -> None:
    """Serve on a loop of asyncio's kind."""
    from asyncio_side import PROTOCOLS

    if protocol != "plain":
        bytearray(1 << 20)  # glibc maps and unmaps pages for each larger read, until something as large was freed once

    async def serve() -> None:
        factory: Any = (protocols or PROTOCOLS)[protocol]
        if road == "unix":
            server = await loop.create_unix_server(factory, where, backlog=4096)
        else:
            server = await loop.create_server(factory, "127.0.0.1", 0, backlog=4096, ssl=tls_of(road, where))
        print(where if road == "unix" else server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    loop.run_until_complete(serve())


def asyncio(*words: str) -> None:
    import asyncio

    on_loop(asyncio.new_event_loop(), *words)


def uvloop(*words: str) -> None:
    import uvloop

    on_loop(uvloop.new_event_loop(), *words)


def aio(*words: str) -> None:
    """reactor's protocols, adapted, on asyncio's transports."""
    import asyncio

    from aio_side import PROTOCOLS

    on_loop(asyncio.new_event_loop(), *words, protocols=PROTOCOLS)


def aiouv(*words: str) -> None:
    """The same on uvloop's."""
    import uvloop
    from aio_side import PROTOCOLS

    on_loop(uvloop.new_event_loop(), *words, protocols=PROTOCOLS)


def aiofastnet(*words: str) -> None:
    """Its transports on asyncio's loop."""
    import asyncio

    import aiofastnet

    on_loop(aiofastnet.patch_loop(asyncio.new_event_loop()), *words)


def aiofastuv(*words: str) -> None:
    """aiofastnet's transports on uvloop."""
    import aiofastnet
    import uvloop

    on_loop(aiofastnet.patch_loop(uvloop.new_event_loop()), *words)


def twisted(protocol: str, road: str, where: str) -> None:
    from twisted.internet import reactor
    from twisted.internet.protocol import Factory
    from twisted_side import PROTOCOLS

    factory = Factory.forProtocol(PROTOCOLS[protocol])
    if road == "unix":
        reactor.listenUNIX(where, factory, backlog=4096)
        print(where, flush=True)
    else:
        print(reactor.listenTCP(0, factory, backlog=4096, interface="127.0.0.1").getHost().port, flush=True)
    reactor.run()


LIBRARIES: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (reactor, asyncio, uvloop, aio, aiouv, aiofastnet, aiofastuv, twisted)
}

if __name__ == "__main__":
    name, road, where = sys.argv[1:]
    library, _, protocol = name.partition("_")
    LIBRARIES[library](protocol, road, where)
