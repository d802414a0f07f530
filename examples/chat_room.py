"""A chat with rooms and names, in lines, so nc is a client: a broadcast, and a limit that drops who is too slow for it.

    python examples/chat_room.py 127.0.0.1 9000
    nc 127.0.0.1 9000

The first line is NAME ROOM; every line from then on is said in that room. The room writes to all and waits for nobody:
who doesn't read is ended by max_write_buffer. Who talks too much is made to wait, by TCP, and floods nobody.
"""

import signal
import sys
from functools import partial

from reactor import FramedProtocol, Framing, Limits, Reactor, Transport

PACE = 0.05  # seconds from a line to the next one of the same member
LIMITS = Limits(first_message_timeout=30, read_timeout=3600, write_timeout=20, max_write_buffer=256 * 1024)


class Rooms(dict[str, dict[str, "Member"]]):
    """Who is in each room, by name. A room is there while somebody is in it."""

    def say(self, room: str, words: str) -> None:
        line = f"{words}\n".encode()  # once, for all of them
        for member in self.get(room, {}).values():
            member.transport.write(line)  # never blocks, never raises: what finds no room ends that member


class Member(FramedProtocol):
    framing = Framing.delimited(b"\n", max_frame_length=1000)
    name = room = ""

    def __init__(self, reactor: Reactor, rooms: Rooms) -> None:
        self.reactor, self.rooms = reactor, rooms

    def connection_made(self, transport: Transport) -> None:
        self.send(b"* Who are you? NAME ROOM, please.")

    def message_received(self, message: bytes) -> None:
        words = "".join(filter(str.isprintable, message.decode(errors="replace")))  # no escape codes for the others
        if self.name:
            self.rooms.say(self.room, f"{self.name}: {words}")
        else:
            self.enter(*(each[:20] for each in words.split()[:2]))
        self.transport.pause_reading()
        self.reactor.call_later(PACE, self.transport.resume_reading)  # does nothing to one that is over

    def enter(self, name: str = "", room: str = "") -> None:
        if not name or not room or name in self.rooms.get(room, {}):
            return self.send(b"* That name is taken. Another?" if room else b"* NAME ROOM, please.")
        self.name, self.room = name, room
        self.rooms.setdefault(room, {})[name] = self
        return self.rooms.say(room, f"* {name} comes; here: {', '.join(sorted(self.rooms[room])[:20])}")

    def connection_lost(self, exc: Exception | None) -> None:
        if self.name:
            del self.rooms[self.room][self.name]
            self.rooms.say(self.room, f"* {self.name} has gone" + (f": {exc}" if exc else ""))
            if not self.rooms[self.room]:
                del self.rooms[self.room]
        elif exc is not None:
            print(f"{self.transport.get_extra_info('peername')}: {exc}", file=sys.stderr, flush=True)


def main(host: str, port: str) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(partial(Member, reactor, Rooms()), host, int(port), limits=LIMITS)
        print(f"listening on {server}", flush=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            reactor.add_signal_handler(each, reactor.drain, 5, lambda drained: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
