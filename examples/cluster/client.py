"""Client: a member of a room. What it says is stored once, and it is told what all say, in order, each once."""

import secrets
from collections import deque

import wire
from link import Link

from reactor import Backoff, Limits

MOST = 100  # messages that wait to be acknowledged
MOMENT = 0.5  # seconds until what wasn't stored is said again
RECONNECT = Backoff(initial=0.1, longest=10)
LIMITS = Limits(read_timeout=3 * wire.BEAT)


class Client:
    """Comes back until it is closed. What isn't acknowledged is kept, and said again."""

    def __init__(self, reactor, address, room, name):
        self.reactor, self.address, self.room, self.name = reactor, address, room, name
        self.session = secrets.token_hex(8).encode()
        self.seq = wire.NOTHING  # of the last message that it was told
        self.number = 1  # of the first that isn't acknowledged
        self.unacknowledged = deque()
        self.link = None  # by which it may speak

    def open(self):
        host, _, port = self.address.rpartition(":")
        self.connector = self.reactor.connect_tcp(
            lambda: Link(self), host, int(port), reconnect=RECONNECT, limits=LIMITS
        )
        self.timer = self.reactor.call_every(wire.BEAT, self.ask, b"here")

    def close(self):
        """Go away; `open()` comes back, and says what was said meanwhile."""
        self.connector.close()
        self.timer.cancel()

    def say(self, text):
        """Say it once it can be heard. False if too much waits already."""
        if len(self.unacknowledged) == MOST:
            return False
        self.unacknowledged.append(text)
        self.ask(b"say %d %b" % (self.number + len(self.unacknowledged) - 1, text))
        return True

    def ask(self, message):
        if self.link is not None:
            self.link.send(message)

    # --- what it is told

    def hear_joined(self, link, rest):
        self.is_stored_up_to(int(rest))
        self.say_again(link)

    def hear_again(self, link, rest):
        if self.link is not None:  # else it is said again already
            self.link = None
            if rest:
                self.is_stored_up_to(int(rest))
            self.reactor.call_later(MOMENT, self.say_again, link)

    def is_stored_up_to(self, number):
        self.acknowledge(number)
        self.number = number + 1  # less than it was, if what this session has said was lost, or forgotten after a day

    def say_again(self, link):
        if not link.transport.is_closing():
            self.link = link
            for number, text in enumerate(self.unacknowledged, self.number):
                self.ask(b"say %d %b" % (number, text))

    def hear_ack(self, link, rest):
        self.acknowledge(int(rest))

    def acknowledge(self, number):
        while self.unacknowledged and self.number <= number:
            self.number += 1
            self.acknowledged(self.unacknowledged.popleft())

    def hear_said(self, link, rest):
        seq, name, text = rest.split(b" ", 2)
        if wire.to_seq(seq) > self.seq:
            self.seq = wire.to_seq(seq)
            self.said(seq, name, text)

    def hear_sorry(self, link, rest):
        self.close()
        self.refused(rest.decode())

    def lost(self, link):
        if self.link is link:
            self.link = None

    # --- for whoever uses it

    def acknowledged(self, text):
        """It is in the history."""

    def said(self, seq, name, text):
        """Somebody said something."""

    def refused(self, reason):
        """It is closed, for the node doesn't understand what it says."""
