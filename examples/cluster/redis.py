"""Redis: a connection that asks. hiredis takes the answers apart."""

from collections import deque

import hiredis
from broker import Broker, log

from reactor import Protocol

NOT_YET = object()
MOST_WAITING = 10_000  # questions without an answer; with texts of 1,000 bytes they fit into a write buffer


class Connection(Protocol):
    def __init__(self, broker):
        self.broker = broker
        self.replies = hiredis.Reader(notEnoughData=NOT_YET)

    def connection_made(self, transport):
        self.broker.greet(transport)

    def data_received(self, data):
        self.replies.feed(data)
        while (reply := self.replies.gets()) is not NOT_YET:
            self.broker.replied(self.transport, reply)

    def connection_lost(self, exc):
        self.broker.lost(exc)


class Redis(Broker):
    """Asks. What has no answer when the connection ends is asked again by the next: ask what may be done twice."""

    protocol = Connection

    def __init__(self, reactor, url, *first):
        self.first = hiredis.pack_command(first)  # said by every connection before anything else
        self.waiting = deque()  # questions, each with who wants the answer
        super().__init__(reactor, url)

    def ask(self, on_reply, *words):
        """Call `on_reply` with the answer; with an exception where there is none. Never from inside this call."""
        if len(self.waiting) >= MOST_WAITING:
            self.reactor.call_soon(on_reply, hiredis.ReplyError(f"{MOST_WAITING} questions wait for {self.url}"))
        else:
            question = hiredis.pack_command(words)
            self.waiting.append((question, on_reply))
            self.write(question)

    def greet(self, transport):
        transport.write(self.first)

    def replied(self, transport, reply):
        if self.transport is not None:
            self.waiting.popleft()[1](reply)
        elif isinstance(reply, Exception):  # it reads its files still, or is a replica
            log.warning("%s is not ready: %s", self.url, reply)
            transport.abort()
        else:
            self.connected(transport)
            self.write(b"".join(question for question, _ in self.waiting))

    def ping(self):
        if self.transport is not None:
            self.ask(lambda reply: None, "PING")
