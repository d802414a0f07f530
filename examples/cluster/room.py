"""Room: the members that one node has of it. Law: who is in `members` was told all that the feed has passed on."""

from functools import partial

import wire
from feed import Feed
from history import PAGE


class Room:
    def __init__(self, node, name):
        self.node, self.name, self.topic = node, name, b"room." + name
        self.members, self.newcomers = set(), set()
        self.feed = Feed(node.history, name, self.pass_on)
        self.timer = node.reactor.call_every(wire.BEAT, self.beat)
        node.bus.subscribe(self.topic)

    # --- who is here

    def enter(self, member):
        """Tell a newcomer what it has missed, page by page, until it is as far as the others."""
        self.newcomers.add(member)
        self.node.history.since(partial(self.entering, member, self.feed.known), self.name, member.session, member.seq)

    def entering(self, member, known, reply):
        if member not in self.newcomers:
            return None  # it has gone
        if isinstance(reply, Exception):
            return member.transport.close()  # it comes back
        member.caught_up(*reply)
        if not self.members:
            self.feed.seq = max(self.feed.seq, member.seq)  # nobody has to be told what lies between
        if len(reply[1]) == PAGE or self.feed.known > max(known, member.seq):
            return self.enter(member)
        self.newcomers.discard(member)
        self.members.add(member)
        self.feed.is_needed = True
        return self.beat(member)

    def leave(self, member):
        self.members.discard(member)
        self.newcomers.discard(member)
        self.feed.is_needed = bool(self.members)
        self.node.history.leave(self.name, self.seen(member))
        if not self.members and not self.newcomers:
            self.timer.cancel()
            self.node.bus.unsubscribe(self.topic)
            del self.node.rooms[self.topic]

    def beat(self, *members):
        """Say who is here, and hear how far the room is."""
        here = [self.seen(each) for each in members or self.members]
        self.node.history.beat(self.feed.beaten, self.name, here)

    def seen(self, member):
        return b"%b %b" % (member.name, self.node.name)

    # --- what is said

    def say(self, member, number, text):
        said, topic = b"%b %b" % (member.name, text), self.topic if self.node.bus.is_history else b""
        stored = partial(self.stored, member, number, said)
        self.node.history.append(stored, self.name, member.session, number, said, topic)

    def stored(self, member, number, said, reply):
        if isinstance(reply, Exception):
            return member.again()
        last, seq, is_new = reply
        if last < number:
            return member.again(last)
        message = b"%b %b" % (seq, said) if is_new else seq
        self.node.bus.publish(self.topic, message)
        self.feed.heard(message)
        return member.acknowledge(last)

    def subscribed(self):
        """Look for what was said before the bus told of this room; and have others look for what it didn't take."""
        self.feed.look()
        self.node.bus.publish(self.topic, wire.of_seq(self.feed.known))

    def pass_on(self, frame):
        for member in self.members:
            member.transport.write(frame)
