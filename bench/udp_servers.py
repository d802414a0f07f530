"""The UDP echo servers that bench_udp.py measures: `udp_servers.py LIBRARY` prints its port and serves."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

LOCAL = "127.0.0.1"


class Echo(asyncio.DatagramProtocol):
    """As people write it; there is no other way."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


def on_reactor() -> None:
    from reactor import DatagramProtocol, Reactor

    class Echo(DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data, addr)

    with Reactor() as net:
        print(net.bind_udp(Echo, LOCAL, 0).get_extra_info("sockname")[1], flush=True)
        net.run()


def on_loop(loop: Any) -> None:
    """Serve on a loop of asyncio's kind."""
    transport, _ = loop.run_until_complete(loop.create_datagram_endpoint(Echo, (LOCAL, 0)))
    print(transport.get_extra_info("sockname")[1], flush=True)
    loop.run_forever()


def on_uvloop() -> None:
    import uvloop

    on_loop(uvloop.new_event_loop())


LIBRARIES = {"reactor": on_reactor, "asyncio": lambda: on_loop(asyncio.new_event_loop()), "uvloop": on_uvloop}

if __name__ == "__main__":
    LIBRARIES[sys.argv[1]]()
