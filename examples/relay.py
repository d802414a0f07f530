"""A relay: whoever connects here talks to a server elsewhere. In bounded memory, at the pace of the slower side.

    python examples/relay.py 127.0.0.1 9000 example.org 80
    printf 'GET / HTTP/1.0\\r\\nHost: example.org\\r\\n\\r\\n' | nc 127.0.0.1 9000

Who has ended its half may still be answered. On SIGTERM nobody else is taken, and who is here has 30 s to finish.
"""

import signal
import sys
from functools import partial

from reactor import Connector, Limits, Protocol, Reactor, Transport

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
    def __init__(self, connect: partial[Connector]) -> None:
        self.connect = connect

    def connection_made(self, transport: Transport) -> None:
        transport.pause_reading()  # until there is somebody to give it to
        transport.hold()  # a drain can't see whether the two are done with each other: it waits
        self.connector = self.connect(partial(Far, self), on_failure=self.failed)

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


def stop(reactor: Reactor, *_: object) -> None:  # when the far sides have got their last bytes, too
    reactor.call_later(0.05, stop, reactor) if reactor.stats()["connections"] else reactor.stop()


def main(host: str, port: str, *to: str) -> None:
    with Reactor() as reactor:
        connect = partial(reactor.connect_tcp, host=to[0], port=int(to[1]), limits=LIMITS)
        print(f"listening on {reactor.listen_tcp(partial(Near, connect), host, int(port), limits=LIMITS)}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 30, partial(stop, reactor))
        reactor.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 5 else __doc__)
