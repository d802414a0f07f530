"""Talker: a client of a trial, who notes what is acknowledged and what it is told."""

import random
from time import monotonic

from client import Client


class Talker(Client):
    def __init__(self, crowd, address, room, name):
        super().__init__(crowd.reactor, address, room, name)
        self.crowd = crowd
        self.told, self.acks, self.spoken = [], 0, 0
        self.names = None  # who is in the room
        self.is_away, self.back_at = False, 0.0

    def leave(self):
        self.is_away = True
        self.close()

    def come_back(self):
        self.is_away, self.back_at = False, monotonic()
        self.open()

    def talk(self):
        if self.crowd.talking:
            self.spoken += self.say(b"%d %r" % (self.spoken, 0.0 if self.is_away else monotonic()))
            self.reactor.call_later(self.crowd.every * random.uniform(0.8, 1.2), self.talk)

    def acknowledged(self, text):
        self.acks += 1
        self.crowd.acknowledged[self.room].add(b"%b %b" % (self.name, text))
        self.note(self.crowd.until_stored, text)

    def said(self, seq, name, text):
        self.told.append(b"%b %b" % (name, text))
        self.note(self.crowd.until_told, text)

    def note(self, times, text):
        """Note how long it took, unless who said it was away, or who is told it was."""
        said_at = float(text.split()[1])
        if said_at > self.back_at:
            times.append(monotonic() - said_at)

    def hear_joined(self, link, rest):
        self.crowd.joined += 1
        super().hear_joined(link, rest)

    def hear_who(self, link, rest):
        self.names = set(rest.split())
