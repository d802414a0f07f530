"""Redis as a bus: a connection that is told what is published."""

import hiredis
from broker import Broker, log
from redis import Connection


class Bus(Broker):
    """Is told. `on_message(topic, message)`; `on_subscribed(topic)`: from now on, and after a break anew."""

    protocol = Connection
    is_history = True  # which publishes a message in the step that stores it

    def __init__(self, reactor, url, on_message, on_subscribed):
        self.on_message, self.on_subscribed = on_message, on_subscribed
        self.topics = set()
        super().__init__(reactor, url)

    def greet(self, transport):
        self.connected(transport)
        if self.topics:
            self.write(hiredis.pack_command(("SUBSCRIBE", *self.topics)))

    def subscribe(self, topic):
        self.topics.add(topic)
        self.write(hiredis.pack_command(("SUBSCRIBE", topic)))

    def unsubscribe(self, topic):
        self.topics.discard(topic)
        self.write(hiredis.pack_command(("UNSUBSCRIBE", topic)))

    def publish(self, topic, message):
        """Do nothing: the history has done it."""

    def replied(self, transport, reply):
        match reply:
            case [b"message", topic, message]:
                self.on_message(topic, message)
            case [b"subscribe", topic, _]:
                self.on_subscribed(topic)
            case Exception():
                log.warning("%s says %s", self.url, reply)
                transport.abort()

    def ping(self):
        self.write(hiredis.pack_command(("PING",)))
