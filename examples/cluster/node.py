"""Node: the app of one machine's workers. Nodes share rooms by a bus and a history; they never meet otherwise.

    BUS=redis://127.0.0.1:6379 python -m reactor serve node:setup --bind 127.0.0.1:9001

BUS may be a nats:// one; the history is then in the Redis that HISTORY names.
"""

import logging
import os
import secrets
from urllib.parse import urlsplit

import nats
import redis_bus
import wire
from history import History
from member import Member
from room import Room

from reactor import Limits, ProxyHeader

REDIS = "redis://127.0.0.1:6379"
BUSES = {"redis": redis_bus.Bus, "nats": nats.Bus}
PROXY = ProxyHeader(trusted=["127.0.0.0/8", "10.0.0.0/8"])  # clients come by the balancer
LIMITS = Limits(
    max_connections=20_000,
    first_message_timeout=10,
    read_timeout=3 * wire.BEAT,
    max_write_buffer=2 << 20,  # a whole history; who reads slower is ended, comes back, and goes on from where it was
)


class Node:
    def __init__(self, reactor, bus, history):
        self.reactor = reactor
        self.name = secrets.token_hex(4).encode()  # of this worker
        self.rooms = {}  # by topic
        self.history = History(reactor, history)
        self.bus = BUSES[urlsplit(bus).scheme](reactor, bus, self.heard, self.subscribed)

    def room(self, name):
        topic = b"room." + name
        if topic not in self.rooms:
            self.rooms[topic] = Room(self, name)
        return self.rooms[topic]

    def heard(self, topic, message):
        if topic in self.rooms:
            self.rooms[topic].feed.heard(message)

    def subscribed(self, topic):
        if topic in self.rooms:
            self.rooms[topic].subscribed()


def setup(reactor, sockets):
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(process)d: %(message)s")
    bus = os.environ.get("BUS", REDIS)
    node = Node(reactor, bus, bus if bus.startswith("redis:") else os.environ.get("HISTORY", REDIS))
    for sock in sockets:
        reactor.listen_tcp(lambda: Member(node), None, 0, sock=sock, limits=LIMITS, proxy=PROXY)
