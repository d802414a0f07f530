"""A shop that takes orders, and a client that asks again when no answer comes. Orders must be taken once.

    python -m reactor.testing examples/simulation/request_reply.py:first    # finds a seed that fails
    python -m reactor.testing examples/simulation/request_reply.py:mended   # finds none

The first version has a bug that no test over a good network finds: an order whose answer is lost is taken twice. The
mended one gives each order a number, and the shop remembers the answers that it gave.
"""

import itertools

from reactor import Backoff, FramedProtocol, Limits

PORT = 4000
PATIENCE = 2.0  # seconds until the client asks again
QUICK = Limits(connect_timeout=3, idle_timeout=20)


class Shop:
    """Counts the orders that it has taken. `remembers`: whether it knows a number that it has seen."""

    def __init__(self, remembers):
        self.remembers = remembers
        self.taken = 0
        self.answers = {}  # by number

    def start(self, reactor):
        reactor.listen_tcp(lambda: ShopConnection(self), None, PORT, limits=QUICK)

    def order(self, number):
        if self.remembers and number in self.answers:
            return self.answers[number]
        self.taken += 1
        self.answers[number] = b"order %d is yours" % self.taken
        return self.answers[number]


class ShopConnection(FramedProtocol):
    def __init__(self, shop):
        self.shop = shop

    def message_received(self, message):
        self.send(message[:4] + self.shop.order(message[:4]))


class Client:
    """Places one order after the other, each until it is answered."""

    def __init__(self, orders):
        self.left = orders
        self.numbers = itertools.count()
        self.placed = 0
        self.present = None  # the number of the order that waits for its answer

    def start(self, reactor):
        self.reactor = reactor
        reconnect = Backoff(initial=0.1, longest=2)
        self.connector = reactor.connect_tcp(
            lambda: ClientConnection(self), "shop", PORT, reconnect=reconnect, limits=QUICK
        )
        self.next_order()

    def next_order(self):
        if self.left:
            self.left -= 1
            self.present = next(self.numbers).to_bytes(4, "big")
            self.ask(self.present)

    def ask(self, number):
        if number == self.present:  # else it is answered
            if self.connector.connection is not None:
                self.connector.connection.get_protocol().send(number + b"one coffee, please")
            self.reactor.call_later(PATIENCE, self.ask, number)

    def answered(self, number):
        if number == self.present:  # else the answer comes twice
            self.placed += 1
            self.present = None
            self.reactor.call_later(1, self.next_order)


class ClientConnection(FramedProtocol):
    def __init__(self, client):
        self.client = client

    def message_received(self, message):
        self.client.answered(message[:4])


def play(network, remembers):
    """Place twenty orders over a bad network, and count them on both sides."""
    shop, client = Shop(remembers), Client(orders=20)
    network.set(latency=0.02, jitter=0.02, cuts=0.2)
    network.host("shop", setup=shop.start)
    network.host("client", setup=client.start)
    network.disturb(every=15, until=60, longest=8)
    network.run_until(lambda: client.placed == 20, timeout=1200)
    network.run(5)  # for an answer that is still under way
    assert shop.taken == client.placed, f"the client has placed {client.placed} orders, and the shop took {shop.taken}"


def first(network):
    play(network, remembers=False)


def mended(network):
    play(network, remembers=True)
