"""What clients and nodes say to each other: a length of 2 bytes, then words.

    client                          node
    join ROOM NAME SESSION AFTER    joined NUMBER LAST    stored of this session; the room's last sequence number
    say NUMBER TEXT                 ack NUMBER            all up to this one are in the history
                                    again                 some aren't: say all that isn't acknowledged, in a moment
                                    said SEQ NAME TEXT    to every member, in order, each once
    who                             who NAME NAME ...
    here                            here                  every BEAT seconds: both know that the other one lives
                                    sorry REASON          and the end

NUMBER counts what a session has said, from 1 on: by it a message that is said again is known. SEQ counts what was said
in a room, and AFTER is the last one that the client was told.
"""

import re

from reactor import Framing

FRAMING = Framing(2, max_frame_length=4096)
MOST_TEXT = 1000  # bytes of a message
BEAT = 30  # seconds
NAME = re.compile(rb"[\w-]{1,32}")  # of rooms, members and sessions: it goes into keys and topics


def is_name(*words):
    return all(NAME.fullmatch(word) for word in words)
