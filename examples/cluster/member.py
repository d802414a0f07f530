"""Member: a client's connection, in one room."""

import wire

from reactor import FramedProtocol

MOST_WAITING = 32  # that the history hasn't answered; what comes next isn't read before


class Member(FramedProtocol):
    framing = wire.FRAMING

    def __init__(self, node):
        self.node = node
        self.room = self.hold = None
        self.has_joined = False
        self.waiting = 0

    def message_received(self, message):
        match message.split(b" ", 2):
            case [b"say", number, text] if self.has_joined and number.isdigit() and len(text) <= wire.MOST_TEXT:
                self.say(int(number), text)
            case [b"here"]:
                self.send(b"here")
            case [b"who"] if self.has_joined:
                self.await_answer()
                self.node.history.who(self.tell_who, self.room.name)
            case [b"join", *_] if self.room is None:
                self.join(message.split(b" ")[1:])
            case _:
                self.send(b"sorry, what is meant by " + message[:20])
                self.transport.close()

    def join(self, words):
        match words:
            case [room, name, session, after] if wire.is_name(room, name, session) and wire.SEQ.fullmatch(after):
                self.name, self.session, self.seq = name, b"%b.%b" % (name, session), wire.to_seq(after)
                self.room = self.node.room(room)
                self.room.enter(self)
            case _:
                self.send(b"sorry, join ROOM NAME SESSION AFTER; names are letters, digits, _ and -, 32 at most")
                self.transport.close()

    def caught_up(self, number, missed):
        """Take a page of what was missed."""
        if not self.has_joined:
            self.has_joined = True
            self.send(b"joined %d" % number)
        self.send_many(b"said %b %b" % (seq, said) for seq, said in missed)
        self.seq = wire.to_seq(missed[-1][0]) if missed else self.seq

    def say(self, number, text):
        self.await_answer()
        self.room.say(self, number, text)

    def acknowledge(self, number):
        self.answer(b"ack %d" % number)

    def again(self, number=None):
        self.answer(b"again" if number is None else b"again %d" % number)

    def tell_who(self, names):
        names = [] if isinstance(names, Exception) else names
        self.answer(b" ".join([b"who", *sorted({each.split()[0] for each in names})]))

    def await_answer(self):
        if not self.waiting:
            self.hold = self.transport.hold()  # a drain waits for the answer
        self.waiting += 1
        if self.waiting == MOST_WAITING:
            self.transport.pause_reading()

    def answer(self, message):
        self.waiting -= 1
        self.send(message)
        self.transport.resume_reading()
        if not self.waiting:
            self.hold.release()

    def connection_lost(self, exc):
        if self.room is not None:
            self.room.leave(self)
