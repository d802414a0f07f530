"""What clients and nodes say to each other: a length of 2 bytes, then words.

    client                          node
    join ROOM NAME SESSION AFTER    joined NUMBER         is stored of this session, and all before it
    say NUMBER TEXT                 ack NUMBER            the same
                                    again [NUMBER]        some isn't: say all that isn't acknowledged, in a moment
                                    said SEQ NAME TEXT    to every member, in order, each once
    who                             who NAME NAME ...
    here                            here                  every BEAT seconds: both know that the other one lives
                                    sorry REASON          and the end

NUMBER counts what a session has said, from 1 on: by it a message that is said again is known. SEQ is ERA-N and counts
what was said in a room, with a new ERA whenever Redis was started anew. AFTER is the last one that the client was told.
"""

import re

from reactor import Framing

FRAMING = Framing(2, max_frame_length=4096)
MOST_TEXT = 1000  # bytes of a message
BEAT = 30  # seconds
NAME = re.compile(rb"[\w-]{1,32}")  # of rooms, members and sessions: it goes into keys and topics


def is_name(*words):
    return all(NAME.fullmatch(word) for word in words)


SEQ = re.compile(rb"\d{1,15}-\d{1,15}")
NOTHING = (0, 0)  # comes before all that is said


def to_seq(text):
    era, number = text.split(b"-")
    return int(era), int(number)


def of_seq(seq):
    return b"%d-%d" % seq


def next_of(seq):
    return seq[0], seq[1] + 1
