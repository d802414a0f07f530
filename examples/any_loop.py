"""One protocol class under three loops: reactor's own, asyncio's and uvloop's. The same messages, limits and ends.

    python examples/any_loop.py 127.0.0.1 9000 --loop uvloop
    python -m reactor send 127.0.0.1:9000 hello world

--loop is reactor, asyncio or uvloop. Under the latter two asyncio accepts, which knows no max_connections, and at the
end the connections that stand are ours to close.
"""

import asyncio
import signal
import sys
from typing import ClassVar

from reactor import FramedProtocol, Framing, Limits, Reactor, Transport, aio

LIMITS = Limits(max_connections=1000, read_timeout=60, write_timeout=10)


class Shout(FramedProtocol):
    framing = Framing(max_frame_length=64 * 1024)
    standing: ClassVar[set[Transport]] = set()

    def connection_made(self, transport: Transport) -> None:
        self.standing.add(transport)

    def message_received(self, message: bytes) -> None:
        self.send(message.upper())

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.standing.discard(self.transport)
        if exc is not None:
            print(f"{self.transport.get_extra_info('peername')}: {exc}", file=sys.stderr, flush=True)


def under_reactor(host: str, port: int) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(Shout, host, port, limits=LIMITS)
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 5, lambda drained: reactor.stop())
        reactor.run()


async def under_asyncio(host: str, port: int) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(aio.adapt(Shout, limits=LIMITS), host, port)
    print("listening on {}:{}".format(*server.sockets[0].getsockname()), flush=True)
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    await told.wait()
    server.close()
    for transport in list(Shout.standing):
        transport.close()  # bounded by close_timeout
    while Shout.standing:
        await asyncio.sleep(0.01)


def main(host: str, port: str, loop: str) -> None:
    if loop == "reactor":
        under_reactor(host, int(port))
    elif loop == "asyncio":
        asyncio.run(under_asyncio(host, int(port)))
    else:
        import uvloop  # only here: it needn't be installed

        uvloop.run(under_asyncio(host, int(port)))


if __name__ == "__main__":
    if sys.argv[3:4] != ["--loop"] or sys.argv[4:] not in (["reactor"], ["asyncio"], ["uvloop"]):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[4])
