"""History: what was said in the rooms, and who is there, in Redis. Law: what it has stored is acknowledged.

Each answer comes to `on_reply`, an exception where there is none. All of it may be asked twice, and sometimes is.
"""

from pathlib import Path

import wire
from redis import Redis

PAGE = 200  # messages of one answer
MOST_NAMES = 100
FUNCTIONS = Path(__file__).with_name("history.lua").read_text()


def keys(room, *kinds):
    """Return the names of a room's keys. The braces keep them on one machine in a cluster of Redis."""
    return [b"{%b}:%b" % (room, kind) for kind in kinds]


class History:
    def __init__(self, reactor, url):
        self.redis = Redis(reactor, url, "FUNCTION", "LOAD", "REPLACE", FUNCTIONS)

    def call(self, on_reply, function, keys, *args):
        self.redis.ask(on_reply, "FCALL", function, len(keys), *keys, *args)

    def append(self, on_reply, room, session, number, said, topic):
        """Store what a session says if it is its next; publish it, too, if there is a topic.

        The answer: the number of the session's last, a sequence number, and whether that is this message's, 1 or 0.
        """
        self.call(on_reply, "append", keys(room, b"log", b"run", b"last:" + session), number, said, topic)

    def since(self, on_reply, room, session, seq):
        """The answer: the number of the session's last, and what follows: pairs of sequence numbers and texts."""
        self.call(on_reply, "since", keys(room, b"log", b"last:" + session), wire.of_seq(seq), PAGE)

    def beat(self, on_reply, room, members):
        """Say who is here. The answer: the sequence number of what was said last."""
        self.call(on_reply, "beat", keys(room, b"log", b"who"), *members)

    def leave(self, room, member):
        self.redis.ask(lambda reply: None, "ZREM", *keys(room, b"who"), member)

    def who(self, on_reply, room):
        self.call(on_reply, "who", keys(room, b"who"), MOST_NAMES)
