"""Room: the members that one node has of it. Law: who is in `members` was told all that the feed has passed on."""

from functools import partial

import wire
from feed import Feed


class Room:
    def __init__(self, node, name):
        self.node, self.name, self.topic = node, name, b"room." + name
        self.members, self.newcomers = set(), set()
        self.feed = Feed(node.history, name, self.pass_on, self.send_away)
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
        if not self.feed.is_told(known, reply):
            return member.transport.close()  # it comes back
        member.caught_up(*reply)
        if not self.members:
            self.feed.seq = max(self.feed.seq, member.seq)  # nobody has to be told what lies between
        if self.feed.is_behind():
            self.feed.look()
        if self.feed.is_behind() or member.seq != self.feed.seq:
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
        self.node.history.beat(partial(self.feed.looked, self.feed.known), self.name, here)

    def seen(self, member):
        return b"%b %b" % (member.name, self.node.name)

    # --- what is said

    def say(self, member, number, text):
        said, topic = b"%b %b" % (member.name, text), self.topic if self.node.bus.is_history else b""
        stored = partial(self.stored, member, number, said)
        self.node.history.append(stored, self.name, member.session, number, said, topic)

    def stored(self, member, number, said, reply):
        if isinstance(reply, Exception) or reply[0] < number:
            return member.again()
        last, seq, is_new = reply
        message = b"%d %b" % (seq, said) if is_new else b"%d" % seq
        self.node.bus.publish(self.topic, message)
        self.feed.heard(message)
        return member.acknowledge(last)

    def subscribed(self):
        """Look for what was said before the bus told of this room; and have others look for what it didn't take."""
        self.feed.look()
        self.node.bus.publish(self.topic, b"%d" % self.feed.known)

    def pass_on(self, frame):
        for member in self.members:
            member.transport.write(frame)

    def send_away(self):
        """Have all members come again: they go on with what the history has."""
        for member in self.members:
            member.transport.close()
