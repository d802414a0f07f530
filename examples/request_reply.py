"""A client that asks and is answered: ids, timeouts, and a connection that comes back.

Each request is told its answer, or why there is none: once. Try it with a server that answers with what it was sent:

    python -m reactor echo 127.0.0.1:9000
    python examples/request_reply.py 127.0.0.1 9000

and stop that server, and start it again.
"""

import itertools
import sys

from reactor import Backoff, FramedProtocol, Reactor


class Requests(FramedProtocol):
    """The requests of one connection. A message is 4 bytes of id and a body, and so is its answer."""

    def __init__(self):
        self.ids = itertools.count()
        self.waiting = {}  # by id: on_done, and the timer that gives up

    def ask(self, reactor, body, on_done, timeout):
        request_id = (next(self.ids) & 0xFFFFFFFF).to_bytes(4, "big")
        self.send(request_id + body)
        self.waiting[request_id] = on_done, reactor.call_later(timeout, self.give_up, request_id, timeout)

    def message_received(self, message):
        self.end(message[:4], message[4:], None)

    def give_up(self, request_id, timeout):
        self.end(request_id, None, TimeoutError(f"no answer in {timeout:g} s"))

    def connection_lost(self, exc):
        for request_id in list(self.waiting):
            self.end(request_id, None, ConnectionError(f"the connection was lost: {exc or 'it was closed'}"))

    def end(self, request_id, answer, error):
        on_done, timer = self.waiting.pop(request_id, (None, None))
        if on_done is not None:  # else the answer comes too late
            timer.cancel()
            on_done(answer, error)


class Client:
    """Keeps one connection to a server, until it is closed."""

    def __init__(self, reactor, host, port, reconnect):
        self.reactor = reactor
        self.connector = reactor.connect_tcp(Requests, host, port, reconnect=reconnect)

    def ask(self, body, on_done, timeout=5.0):
        """Call `on_done(answer, None)` or `on_done(None, error)`, once, and never from inside this call."""
        connection = self.connector.connection
        if connection is None:
            self.reactor.call_soon(on_done, None, ConnectionError("there is no connection at present"))
        else:
            connection.get_protocol().ask(self.reactor, body, on_done, timeout)

    def close(self):
        """Ask no more; what waits for an answer is told."""
        self.connector.close()


def main(host, port):
    with Reactor() as reactor:
        client = Client(reactor, host, int(port), Backoff(initial=0.1, longest=5))
        reactor.call_every(1, client.ask, b"hello", show)
        reactor.run()


def show(answer, error):
    print(error or answer.decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else __doc__)
