"""Crowd: clients of a trial, who count what is acknowledged and what they are told."""

import random
from time import monotonic

from client import Client


class Talker(Client):
    def __init__(self, crowd, address, room, name):
        super().__init__(crowd.reactor, address, room, name)
        self.crowd = crowd
        self.told, self.acks, self.spoken = [], 0, 0
        self.names = None  # who is in the room
        self.is_away = False

    def talk(self):
        if self.crowd.talking:
            self.spoken += self.say(b"%d %r" % (self.spoken, monotonic()))
            self.reactor.call_later(self.crowd.every * random.uniform(0.5, 1.5), self.talk)

    def acknowledged(self, text):
        self.acks += 1
        self.crowd.acknowledged[self.room].add(b"%b %b" % (self.name, text))
        self.crowd.until_stored.append(monotonic() - float(text.split()[1]))

    def said(self, seq, name, text):
        self.told.append(b"%b %b" % (name, text))
        self.crowd.until_told.append(monotonic() - float(text.split()[1]))

    def hear_joined(self, link, rest):
        self.crowd.joined += 1
        super().hear_joined(link, rest)

    def hear_who(self, link, rest):
        self.names = set(rest.split())


class Crowd:
    def __init__(self, reactor, address, clients, rooms, every):
        self.reactor, self.every = reactor, every
        self.talking = True
        self.joined = 0
        self.until_stored, self.until_told = [], []
        self.rooms = {b"room%d" % number: [] for number in range(rooms)}
        self.acknowledged = {room: set() for room in self.rooms}
        for number in range(clients):
            room = b"room%d" % (number % rooms)
            self.rooms[room].append(Talker(self, address, room, b"client%d" % number))
        self.clients = [each for members in self.rooms.values() for each in members]
        for each in self.clients:
            each.open()

    def talk(self):
        for each in self.clients:
            self.reactor.call_later(self.every * random.random(), each.talk)

    def leave(self, part):
        """Have one of so many go away; what they say meanwhile waits."""
        for each in self.clients[::part]:
            each.is_away = True
            each.close()

    def come_back(self):
        for each in self.clients:
            if each.is_away:
                each.is_away = False
                each.open()

    # --- what may be waited for

    def all_are_here(self):
        return all(each.link is not None for each in self.clients)

    def all_are_heard(self, often=2):
        """Return the question whether everybody who isn't away has had so much acknowledged, from now on."""
        goals = [(each, each.acks + often) for each in self.clients]
        return lambda: all(each.is_away or each.acks >= goal for each, goal in goals)

    def all_is_told(self):
        return all(
            not each.unacknowledged and len(each.told) >= len(self.acknowledged[each.room]) for each in self.clients
        )

    def all_know_who_is_here(self):
        wrong = [each for each in self.clients if each.names != {one.name for one in self.rooms[each.room]}]
        for each in wrong:
            each.ask(b"who")
        return not wrong

    # --- what is found

    def figures(self):
        first = {room: members[0].told for room, members in self.rooms.items()}
        return {
            "acknowledged": sum(map(len, self.acknowledged.values())),
            "told": sum(len(each.told) for each in self.clients),
            "lost": sum(len(self.acknowledged[each.room] - set(each.told)) for each in self.clients),
            "twice": sum(len(each.told) - len(set(each.told)) for each in self.clients),
            "disordered": sum(each.told != first[each.room] for each in self.clients),
            "came_back": self.joined - len(self.clients),
            "ms_until_acknowledged": quantiles(self.until_stored),
            "ms_until_told": quantiles(self.until_told),
        }


def quantiles(seconds):
    ordered = sorted(seconds) or [0]
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[int(part * (len(ordered) - 1))], 1) for name, part in at.items()}
