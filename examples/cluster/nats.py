"""NATS: a bus. Its protocol is lines, and behind a line MSG as many bytes as it says."""

import json
from collections import deque
from functools import lru_cache
from itertools import count

from broker import Broker, log

from reactor import FramedProtocol, Framing

HELLO = b"CONNECT %b\r\n" % json.dumps({"verbose": False, "pedantic": False, "name": "cluster"}).encode()
exactly = lru_cache(Framing.fixed)


class Connection(FramedProtocol):
    framing = LINES = Framing.delimited(b"\r\n", max_frame_length=1 << 16)

    def __init__(self, bus):
        self.bus = bus
        self.topic = None  # of the message that comes next

    def message_received(self, message):
        if self.topic is not None:
            topic, self.topic, self.framing = self.topic, None, self.LINES
            return self.bus.on_message(topic, message[:-2])
        match message.split(b" "):
            case [b"MSG", topic, _, size] if int(size) <= 1 << 16:
                self.topic, self.framing = topic, exactly(int(size) + 2)  # and the end of a line
            case [b"INFO", *_]:
                self.bus.greet(self.transport)
            case [b"PING"]:
                self.transport.write(b"PONG\r\n")
            case [b"PONG"]:
                self.bus.heard_all()
            case _:  # -ERR, and the server ends the connection, or what nobody has asked for
                log.warning("%s says %s", self.bus.url, message.decode(errors="replace"))
                self.transport.abort()

    def connection_lost(self, exc):
        self.bus.lost(exc)


class Bus(Broker):
    """Is told, and tells. `on_message(topic, message)`; `on_subscribed(topic)`: from now on, and after a break anew."""

    protocol = Connection
    is_history = False

    def __init__(self, reactor, url, on_message, on_subscribed):
        self.on_message, self.on_subscribed = on_message, on_subscribed
        self.topics, self.numbers = {}, count(1)
        self.pongs = deque()  # for each PONG that is to come, what the server knows by then
        super().__init__(reactor, url)

    def greet(self, transport):
        self.connected(transport)
        self.pongs.clear()
        self.write(HELLO + b"".join(b"SUB %b %d\r\n" % each for each in self.topics.items()))
        self.ask_whether_heard(*self.topics)

    def ask_whether_heard(self, *topics):
        if self.transport is not None:
            self.pongs.append(topics)
            self.write(b"PING\r\n")

    def heard_all(self):
        for topic in self.pongs.popleft():
            self.on_subscribed(topic)

    def subscribe(self, topic):
        self.topics[topic] = next(self.numbers)
        self.write(b"SUB %b %d\r\n" % (topic, self.topics[topic]))
        self.ask_whether_heard(topic)

    def unsubscribe(self, topic):
        self.write(b"UNSUB %d\r\n" % self.topics.pop(topic))

    def publish(self, topic, message):
        self.write(b"PUB %b %d\r\n%b\r\n" % (topic, len(message), message))

    def ping(self):
        self.ask_whether_heard()
