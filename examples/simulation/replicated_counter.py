"""A counter with three replicas that tell each other by UDP what they know. No addition may be lost.

    python -m reactor.testing examples/simulation/replicated_counter.py:first    # finds a seed that fails
    python -m reactor.testing examples/simulation/replicated_counter.py:mended   # finds none

The first version keeps one total and takes the greater of two: while a partition parts the replicas, both sides count
on from the same total, and behind it one side's additions are gone. The mended one keeps a total for each replica.
"""

import json

from reactor import DatagramProtocol

PORT = 7000
NAMES = ["a", "b", "c"]


class OneTotal:
    """What a replica knows, in the first version."""

    def __init__(self, name):
        self.known = 0

    def add(self):
        self.known += 1

    def merge(self, known):
        self.known = max(self.known, known)

    def total(self):
        return self.known


class TotalOfEach:
    """What a replica knows, in the mended version: how much each replica has added."""

    def __init__(self, name):
        self.name = name
        self.known = dict.fromkeys(NAMES, 0)

    def add(self):
        self.known[self.name] += 1

    def merge(self, known):
        for name, added in known.items():
            self.known[name] = max(self.known[name], added)

    def total(self):
        return sum(self.known.values())


class Replica(DatagramProtocol):
    """Tells the others what it knows: behind every addition, and every few seconds, for datagrams are lost."""

    def __init__(self, name, addresses, kind):
        self.state = kind(name)
        self.others = [address for other, address in addresses.items() if other != name]

    def start(self, reactor):
        reactor.bind_udp(lambda: self, None, PORT)
        reactor.call_every(5, self.tell)

    def datagram_received(self, data, addr):
        self.state.merge(json.loads(data))

    def add(self):
        self.state.add()
        self.tell()

    def tell(self):
        for address in self.others:
            self.transport.sendto(json.dumps(self.state.known).encode(), (address, PORT))


def play(network, kind):
    """Add thirty times, each time at a replica that chance picks, and see at the end what every replica knows."""
    network.set(latency=0.01, jitter=0.01, loss=0.02, duplicate=0.05, reorder=0.05)
    addresses = {name: f"10.0.0.{number}" for number, name in enumerate(NAMES, 1)}
    replicas = {name: Replica(name, addresses, kind) for name in NAMES}
    for name, replica in replicas.items():
        network.host(name, addresses[name], setup=replica.start)
    network.disturb("partition", "pause", "bad_link", every=30, until=100, longest=10)
    for second in range(2, 92, 3):
        replica = replicas[NAMES[int(network.dice.random() * 3)]]
        network.at(second, replica.add)
    network.run(200)
    for name, replica in replicas.items():
        network.note("%s has counted %d", name, replica.state.total())
    totals = [replica.state.total() for replica in replicas.values()]
    assert totals == [30, 30, 30], f"30 were added, and the replicas have counted {totals}"


def first(network):
    play(network, OneTotal)


def mended(network):
    play(network, TotalOfEach)
