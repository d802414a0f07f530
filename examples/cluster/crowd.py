"""Crowd: the clients of a trial, and what they have found."""

import random

from talker import Talker


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
            each.leave()

    def come_back(self):
        for each in self.clients:
            if each.is_away:
                each.come_back()

    # --- what may be waited for

    def all_are_here(self):
        return all(each.link is not None for each in self.clients)

    def all_are_heard(self, often=1):
        """Return the question whether everybody who isn't away has had so much acknowledged, from now on."""
        goals = [(each, each.acks + often) for each in self.clients]
        return lambda: all(each.is_away or each.acks >= goal for each, goal in goals)

    def all_wait(self):
        """Whether everybody has said something that isn't acknowledged."""
        return all(each.unacknowledged for each in self.clients)

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
