"""Room: the members that one node has of it. Law: who is in `members` was told all up to `seq`, in order, each once.

What is said comes by the bus, which may lose it. Sequence numbers have no gap, so a loss is seen by what comes next, or
by the next beat, and what is missing is read from the history.
"""

from functools import partial

import wire


class Room:
    def __init__(self, node, name):
        self.node, self.name, self.topic = node, name, b"room." + name
        self.members, self.newcomers = set(), set()
        self.seq = self.known = 0  # what members were told, and the highest that was heard of
        self.looking = False
        self.timer = node.reactor.call_every(wire.BEAT, self.beat)
        node.bus.subscribe(self.topic)

    # --- who is here

    def enter(self, member):
        """Tell a newcomer what it has missed, page by page, until it is as far as the others."""
        self.newcomers.add(member)
        self.node.history.since(partial(self.entering, member, self.known), self.name, member.session, member.seq)

    def entering(self, member, known, reply):
        if member not in self.newcomers:
            return None  # it has gone
        if isinstance(reply, Exception) or self.has_lost(reply[1], known):
            return member.transport.close()  # it comes back
        member.caught_up(*reply)
        if not self.members:
            self.seq = max(self.seq, member.seq)  # nobody has to be told what lies between
        self.known = max(self.known, reply[1])
        if member.seq != max(self.seq, self.known):
            return self.enter(member)
        self.newcomers.discard(member)
        self.members.add(member)
        return self.beat(member)

    def leave(self, member):
        self.members.discard(member)
        self.newcomers.discard(member)
        self.node.history.leave(ignore, self.name, self.seen(member))
        if not self.members and not self.newcomers:
            self.timer.cancel()
            self.node.bus.unsubscribe(self.topic)
            del self.node.rooms[self.topic]

    def beat(self, *members):
        here = [self.seen(each) for each in members or self.members]
        self.node.history.beat(partial(self.looked, self.known), self.name, here)

    def seen(self, member):
        return b"%b %b" % (member.name, self.node.name)

    # --- what is said

    def say(self, member, number, text):
        said, topic = b"%b %b" % (member.name, text), self.topic if self.node.bus.is_history else b""
        answered = partial(self.appended, member, number, said)
        self.node.history.append(answered, self.name, member.session, number, said, topic)

    def appended(self, member, number, said, reply):
        if isinstance(reply, Exception) or reply[0] < number:
            return member.again()
        _, seq, is_new = reply
        message = b"%d %b" % (seq, said) if is_new else b"%d" % seq
        self.node.bus.publish(self.topic, message)
        self.heard(message)
        return member.acknowledge(reply[0])

    def heard(self, message):
        """Pass on what comes next; look for what is missing. A number alone says how far the room is."""
        seq, _, said = message.partition(b" ")
        self.known = max(self.known, int(seq))
        if said and int(seq) == self.seq + 1:
            self.pass_on(int(seq), said)
        elif self.known > self.seq:
            self.look()

    def pass_on(self, seq, said):
        self.seq = seq
        frame = wire.FRAMING.encode(b"said %d %b" % (seq, said))
        for member in self.members:
            member.transport.write(frame)

    # --- what was missed

    def subscribed(self):
        """Look for what was said before the bus told of this room; and have others look for what we didn't tell."""
        self.look()
        self.node.bus.publish(self.topic, b"%d" % self.known)

    def look(self):
        if not self.looking:
            self.looking = True
            self.node.history.since(partial(self.found, self.known), self.name, b"", self.seq)

    def found(self, known, reply):
        self.looking = False
        self.looked(known, reply)

    def looked(self, known, reply):
        if isinstance(reply, Exception) or self.has_lost(reply[1], known):
            return
        self.known = max(self.known, reply[1])
        for seq, said in reply[2]:
            if seq > self.seq:  # also where there is a gap: the history is no longer
                self.pass_on(seq, said)
        if self.seq < self.known and self.members:
            self.look()

    def has_lost(self, last, known):
        """Whether the history has lost what we had heard of when we asked. Then all begin anew with what it has."""
        if last >= known:
            return False
        self.seq = self.known = last
        for member in self.members:
            member.transport.close()
        return True


def ignore(reply):
    """What becomes of it is seen by the next beat."""
