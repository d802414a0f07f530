"""A relay: whoever connects here talks to a server elsewhere. In bounded memory, at the pace of the slower side; a side
that has ended its half may still be answered. On SIGTERM nobody else is taken, and who is here has 30 s to finish.

    python examples/relay.py 127.0.0.1 9000 example.org 80
    curl -H "Host: example.org" http://127.0.0.1:9000
"""

import signal
import sys

from reactor import Limits, Protocol, Reactor, Transport

LIMITS = Limits(max_connections=1000, connect_timeout=10, idle_timeout=300, write_timeout=60, high_water=256 * 1024)


class Side(Protocol):
    other: Transport

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def eof_received(self) -> bool:
        self.other.write_eof()
        return True  # go on writing: the other half isn't over

    def pause_writing(self) -> None:
        self.other.pause_reading()

    def resume_writing(self) -> None:
        self.other.resume_reading()


class Near(Side):
    def __init__(self, reactor: Reactor, host: str, port: int) -> None:
        self.reactor, self.to = reactor, (host, port)

    def connection_made(self, transport: Transport) -> None:
        transport.pause_reading()  # until there is somebody to give it to
        transport.hold()  # a drain can't see whether the two are done with each other: it waits
        self.connector = self.reactor.connect_tcp(lambda: Far(self), *self.to, limits=LIMITS, on_failure=self.failed)

    def failed(self, exc: BaseException) -> None:
        print(f"{self.transport.get_extra_info('peername')}: {exc}", file=sys.stderr, flush=True)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        far = self.connector.connection
        self.connector.close() if exc is None or far is None else far.abort()


class Far(Side):
    def __init__(self, near: Near) -> None:
        self.near, self.other = near, near.transport

    def connection_made(self, transport: Transport) -> None:
        self.near.other = transport
        self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.other.close() if exc is None else self.other.abort()


def stop(reactor: Reactor) -> None:  # when the far sides have got their last bytes, too
    reactor.call_later(0.05, stop, reactor) if reactor.stats()["connections"] else reactor.stop()


def main(host: str, port: str, to_host: str, to_port: str) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(lambda: Near(reactor, to_host, int(to_port)), host, int(port), limits=LIMITS)
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 30, lambda drained: stop(reactor))
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
