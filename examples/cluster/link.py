"""Link: one of the connections that a client has in its life."""

import wire

from reactor import FramedProtocol


class Link(FramedProtocol):
    framing = wire.FRAMING

    def __init__(self, client):
        self.client = client

    def connection_made(self, transport):
        client = self.client
        self.send(b"join %b %b %b %b" % (client.room, client.name, client.session, wire.of_seq(client.seq)))

    def message_received(self, message):
        kind, _, rest = message.partition(b" ")
        handle = getattr(self.client, f"hear_{kind.decode()}", None)
        if handle is not None:
            handle(self, rest)

    def connection_lost(self, exc):
        self.client.lost(self)
