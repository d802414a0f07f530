"""Feed: what is said in one room, as one node hears it. Law: all of it is passed on, in order, each once.

It comes by the bus, which may lose it. Sequence numbers have no gap, so a loss is seen by what comes next, or by the
next beat, and what is missing is read from the history.
"""

from functools import partial

import wire


class Feed:
    """`pass_on(frame)`, a message for clients. `begin_anew()`: the history has lost what was passed on already."""

    def __init__(self, history, room, pass_on, begin_anew):
        self.history, self.room = history, room
        self.pass_on, self.begin_anew = pass_on, begin_anew
        self.seq = self.known = 0  # what was passed on, and the highest that was heard of
        self.is_needed = False  # whether there is anybody to pass it on to
        self.looking = False

    def is_behind(self):
        return self.seq < self.known

    def heard(self, message):
        """Take what the bus brings: a number and what was said, or the number alone, which says how far the room is."""
        seq, _, said = message.partition(b" ")
        self.known = max(self.known, int(seq))
        if said and int(seq) == self.seq + 1:
            self.next(int(seq), said)
        elif self.is_behind():
            self.look()

    def next(self, seq, said):
        self.seq = seq
        self.pass_on(wire.FRAMING.encode(b"said %d %b" % (seq, said)))

    def look(self):
        """Read what follows from the history."""
        if not self.looking:
            self.looking = True
            self.history.since(partial(self.found, self.known), self.room, b"", self.seq)

    def found(self, known, reply):
        self.looking = False
        self.looked(known, reply)

    def looked(self, known, reply):
        """Take what the history says; `known` is what was known when it was asked."""
        if self.is_told(known, reply) and self.is_needed:
            for seq, said in reply[2]:
                if seq > self.seq:  # also where it isn't the next: what lies between is in no history any more
                    self.next(seq, said)
            if self.is_behind():
                self.look()

    def is_told(self, known, reply):
        """Note how far the history is. False if it can't be asked, or has lost something."""
        if isinstance(reply, Exception):
            return False
        last = reply[1]
        if last < known:
            self.seq = self.known = last
            self.begin_anew()
            return False
        self.known = max(self.known, last)
        return True
