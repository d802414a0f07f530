"""Broker: a connection to a server that is looked for again whenever it is lost. Law: it knows no rooms."""

import logging
from urllib.parse import urlsplit

from reactor import Backoff, Limits

RECONNECT = Backoff(initial=0.05, longest=2)
PING = 2  # seconds
LIMITS = Limits(connect_timeout=5, read_timeout=3 * PING)  # a server that stands still is as good as dead

log = logging.getLogger(__name__)


class Broker:
    """What Redis and NATS have in common. `protocol(self)` calls `connected(transport)` when it may be talked to."""

    protocol = None

    def __init__(self, reactor, url):
        self.url, self.reactor = url, reactor
        self.transport = None  # while it may be talked to
        at = urlsplit(url)
        self.connector = reactor.connect_tcp(
            lambda: self.protocol(self), at.hostname, at.port, limits=LIMITS, reconnect=RECONNECT, on_failure=self.lost
        )
        reactor.call_every(PING, self.ping)

    def connected(self, transport):
        self.transport = transport

    def lost(self, exc):
        self.transport = None
        if exc is not None:  # else it was closed in good order, by us at the end of a drain for one
            log.warning("no connection to %s: %s", self.url, exc)

    def write(self, data):
        """Say something, if there is anybody; who says it has to bear that nobody hears."""
        if self.transport is not None:
            self.transport.write(data)

    def ping(self):
        raise NotImplementedError
