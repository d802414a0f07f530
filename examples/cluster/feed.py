"""Feed: what is said in one room, as one node hears it. Law: all of it is passed on, in order, each once.

It comes by the bus, which may lose it. Sequence numbers have no gap, so a loss is seen by what comes next, or by the
next beat, and what is missing is read from the history.
"""

from functools import partial

import wire


class Feed:
    """`pass_on(frame)` is given each message as clients get it."""

    def __init__(self, history, room, pass_on):
        self.history, self.room, self.pass_on = history, room, pass_on
        self.seq = self.known = wire.NOTHING  # what was passed on, and the highest that was heard of
        self.is_needed = False  # whether there is anybody to pass it on to
        self.looking = False

    def heard(self, message):
        """Take what the bus brings: a number and what was said, or the number alone, which says how far the room is."""
        seq, _, said = message.partition(b" ")
        seq = wire.to_seq(seq)
        self.known = max(self.known, seq)
        if said and seq == wire.next_of(self.seq):
            self.next(seq, said)
        elif self.seq < self.known:
            self.look()

    def next(self, seq, said):
        self.seq = seq
        self.pass_on(wire.FRAMING.encode(b"said %b %b" % (wire.of_seq(seq), said)))

    def look(self):
        """Read what follows from the history."""
        if not self.looking:
            self.looking = True
            self.history.since(partial(self.found, self.known), self.room, b"", self.seq)

    def found(self, known, reply):
        """Pass on what the history has, and look again while it has more, or more was heard of than `known` then."""
        self.looking = False
        if isinstance(reply, Exception) or not self.is_needed:
            return  # the next message has us look, or the next beat
        for seq, said in reply[1]:
            seq = wire.to_seq(seq)
            if seq > self.seq:  # also where it isn't the next: what lies between is in no history any more
                self.next(seq, said)
        if self.seq < self.known and (reply[1] or self.known > known):
            self.look()

    def beaten(self, reply):
        if not isinstance(reply, Exception):
            self.heard(reply)
