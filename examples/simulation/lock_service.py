"""A lock that is lent for a time, and clients that want it. Never may two of them take it for theirs at once.

    python -m reactor.testing examples/simulation/lock_service.py:first    # finds a seed that fails
    python -m reactor.testing examples/simulation/lock_service.py:mended   # finds none

The first version counts the lease from when the answer comes, by its own clock: an answer that was held up, or a clock
that is slow, and the server has lent the lock to somebody else meanwhile. The mended one counts from when it asked, and
allows for the worst clocks that it is told of: a server's of one and a half times the speed, and its own of half of it.
"""

from reactor import Backoff, FramedProtocol, Limits

PORT = 6000
LEASE = 9.0  # seconds, on the server's clock
SLOWEST, FASTEST = 0.5, 1.5  # of all clocks
LIMITS = Limits(connect_timeout=3, idle_timeout=30)


class LockServer:
    """Lends the lock to who asks first, and to nobody else before the lease is over."""

    def start(self, reactor):
        self.reactor = reactor
        self.free_at = 0.0
        reactor.listen_tcp(lambda: LockConnection(self), None, PORT, limits=LIMITS)

    def lend(self):
        now = self.reactor.time()
        if now < self.free_at:
            return b"no"
        self.free_at = now + LEASE
        return b"yes"


class LockConnection(FramedProtocol):
    def __init__(self, server):
        self.server = server

    def message_received(self, message):
        self.send(message + self.server.lend())


class Client:
    """Asks for the lock every second. `is_careful`: which version it is."""

    def __init__(self, is_careful):
        self.is_careful = is_careful
        self.until = 0.0  # on our clock
        self.asked = {}  # when, by number
        self.count = self.times = 0

    def start(self, reactor):
        self.reactor = reactor
        reconnect = Backoff(initial=0.2, longest=2)
        self.connector = reactor.connect_tcp(
            lambda: ClientConnection(self), "server", PORT, reconnect=reconnect, limits=LIMITS
        )
        reactor.call_every(1, self.ask)

    def ask(self):
        connection = self.connector.connection
        if connection is not None and not self.holds():
            self.count += 1
            self.asked[self.count] = self.reactor.time()
            connection.get_protocol().send(self.count.to_bytes(4, "big"))

    def answered(self, message):
        asked = self.asked.pop(int.from_bytes(message[:4], "big"))
        if message[4:] == b"yes":
            self.times += 1
            if self.is_careful:
                self.until = asked + LEASE * SLOWEST / FASTEST
            else:
                self.until = self.reactor.time() + LEASE

    def holds(self):
        return self.reactor.time() < self.until


class ClientConnection(FramedProtocol):
    def __init__(self, client):
        self.client = client

    def message_received(self, message):
        self.client.answered(message)


def play(network, is_careful):
    """Let three clients lock for two minutes, and look twice a second who holds it."""
    network.set(latency=0.01, jitter=0.02)
    network.host("server", setup=LockServer().start)
    clients = {name: Client(is_careful) for name in ("one", "two", "three")}
    for name, client in clients.items():
        network.host(name, setup=client.start)
    network.disturb("drift", "pause", "freeze", "partition", "one_way", every=15, until=100, longest=15)
    for half in range(1, 240):
        network.at(half / 2, look, network, clients)
    network.run(150)
    assert any(client.times for client in clients.values()), "nobody ever had the lock"  # no turns were promised


def look(network, clients):
    holders = [name for name, client in clients.items() if client.holds()]
    assert len(holders) < 2, f"at {network.time:.1f} s {' and '.join(holders)} hold the lock"


def first(network):
    play(network, is_careful=False)


def mended(network):
    play(network, is_careful=True)
