"""A client that asks and is answered: ids, timeouts, and a connection that comes back.

    python -m reactor echo 127.0.0.1:9000
    python examples/request_reply.py 127.0.0.1 9000

Each request is told its answer, or why there is none: once. Stop that server, and start it again.
"""

import itertools
import signal
import sys
from collections.abc import Callable

from reactor import Backoff, FramedProtocol, Reactor, Timer

OnDone = Callable[[bytes | None, Exception | None], object]


class Requests(FramedProtocol):
    """The requests of one connection. A message is 4 bytes of id and a body, and so is its answer."""

    def __init__(self) -> None:
        self.ids = itertools.count()
        self.waiting: dict[bytes, tuple[OnDone, Timer]] = {}  # by id; the timer gives up

    def ask(self, reactor: Reactor, body: bytes, on_done: OnDone, timeout: float) -> None:
        request_id = (next(self.ids) & 0xFFFFFFFF).to_bytes(4, "big")
        self.send(request_id + body)
        self.waiting[request_id] = on_done, reactor.call_later(timeout, self.give_up, request_id, timeout)

    def message_received(self, message: bytes) -> None:
        self.end(message[:4], message[4:], None)

    def give_up(self, request_id: bytes, timeout: float) -> None:
        self.end(request_id, None, TimeoutError(f"no answer in {timeout:g} s"))

    def connection_lost(self, exc: Exception | None) -> None:
        for request_id in list(self.waiting):
            self.end(request_id, None, ConnectionError(f"the connection was lost: {exc or 'it was closed'}"))

    def end(self, request_id: bytes, answer: bytes | None, error: Exception | None) -> None:
        if request_id in self.waiting:  # else the answer comes too late
            on_done, timer = self.waiting.pop(request_id)
            timer.cancel()
            on_done(answer, error)


class Client:
    """Keeps one connection to a server, until it is closed."""

    def __init__(self, reactor: Reactor, host: str, port: int, reconnect: Backoff) -> None:
        self.reactor = reactor
        self.connector = reactor.connect_tcp(Requests, host, port, reconnect=reconnect)

    def ask(self, body: bytes, on_done: OnDone, timeout: float = 5.0) -> None:
        """Call `on_done(answer, None)` or `on_done(None, error)`, once, and never from inside this call."""
        connection = self.connector.connection
        if connection is None:
            self.reactor.call_soon(on_done, None, ConnectionError("there is no connection at present"))
        else:
            connection.get_protocol().ask(self.reactor, body, on_done, timeout)

    def close(self) -> None:
        """Ask no more; what waits for an answer is told."""
        self.connector.close()


def main(host: str, port: str) -> None:
    with Reactor() as reactor:
        client = Client(reactor, host, int(port), Backoff(initial=0.1, longest=5))
        reactor.call_every(1, client.ask, b"hello", lambda answer, error: print(error or answer.decode(), flush=True))
        reactor.add_signal_handler(signal.SIGTERM, reactor.stop)  # as ctrl-C does
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
