"""Says the lines that it reads, prints what is said in the room, and ends when its last line is acknowledged.

Usage: python examples/cluster/chat.py 127.0.0.1:9000 ROOM NAME
"""

import sys

import wire
from client import Client

from reactor import FramedProtocol, Framing, Reactor


class Lines(FramedProtocol):
    """What is read. A line that can't be said yet waits, and those behind it are not read."""

    framing = Framing.delimited(max_frame_length=wire.MOST_TEXT)

    def __init__(self, chat):
        self.chat = chat
        self.held = None

    def message_received(self, line):
        if not self.chat.say(line):
            self.held = line
            self.transport.pause_reading()

    def go_on(self):
        if self.held is not None and self.chat.say(self.held):
            self.held = None
            self.transport.resume_reading()

    def connection_lost(self, exc):
        self.chat.lines = None
        self.chat.end_if_done()


class Chat(Client):
    def __init__(self, reactor, *words):
        super().__init__(reactor, *words)
        self.lines = Lines(self)
        self.not_seen = 0  # of its own lines
        reactor.connect_pipe(lambda: self.lines, sys.stdin)
        self.open()

    def say(self, text):
        taken = super().say(text)
        self.not_seen += taken
        return taken

    def said(self, seq, name, text):
        print(f"{name.decode()}:", text.decode(errors="replace"), flush=True)
        self.not_seen -= name == self.name
        self.end_if_done()

    def acknowledged(self, text):
        if self.lines is not None:
            self.lines.go_on()
        self.end_if_done()

    def refused(self, reason):
        sys.exit(f"chat: {reason}")

    def end_if_done(self):
        if self.lines is None and not self.unacknowledged and self.not_seen <= 0:
            self.reactor.stop()


def main(address, room, name):
    with Reactor() as reactor:
        Chat(reactor, address, room.encode(), name.encode())
        reactor.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
