"""An echo server: what a port that strangers reach needs at least. Bounds, backpressure, an end in order.

    python examples/echo.py 127.0.0.1 9000
    python -m reactor send 127.0.0.1:9000 hello world

A message is 4 bytes of length and a body. On SIGTERM and ctrl-C nobody else is taken, and whoever is owed an answer
gets it, within 5 seconds.
"""

import signal
import sys

from reactor import FramedProtocol, Framing, Limits, Reactor

GRACE = 5  # seconds
LIMITS = Limits(
    max_connections=1000,  # the next one waits in the kernel's queue
    max_per_peer=100,  # from one address; the next one is reset
    read_timeout=60,  # who has spoken and is silent then
    write_timeout=10,  # who doesn't read its answers
)


class Echo(FramedProtocol):
    framing = Framing(max_frame_length=64 * 1024)

    def message_received(self, message: bytes) -> None:
        self.send(message)

    def pause_writing(self) -> None:  # the peer doesn't read: then neither do we, and no answers pile up
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:  # one peer's trouble: one line, and the others never know
            print(f"{self.transport.get_extra_info('peername')}: {exc}", file=sys.stderr, flush=True)


def main(host: str, port: str) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(Echo, host, int(port), limits=LIMITS)
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, GRACE, lambda drained: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
