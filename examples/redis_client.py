"""A Redis client on hiredis: commands in one write, their replies in order, and what a subscription brings in between.

    python examples/redis_client.py 127.0.0.1 6379 "set colour 'dark red'" "get colour" "subscribe news"

It needs hiredis, which reads the replies: pip install hiredis. With a subscription it goes on until ctrl-C.
"""

import shlex
import signal
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from reactor import Limits, Protocol, Reactor, Transport

try:
    import hiredis
except ModuleNotFoundError:
    sys.exit(__doc__)

PATIENCE, LARGEST = 10.0, 64 << 20  # seconds for a reply, or the next part of it; bytes of one


class Redis(Protocol):
    def __init__(self, commands: list[tuple[Any, ...]], on_lost: Callable[[object], object]) -> None:
        self.commands, self.on_lost = commands, on_lost
        self.reader = hiredis.Reader(encoding="utf-8", errors="backslashreplace", notEnoughData=Ellipsis)
        self.waiting: deque[Callable[[Any], object]] = deque()
        self.unread, self.subscribed = 0, False  # bytes of a reply that isn't complete

    def connection_made(self, transport: Transport) -> None:
        self.ask(("hello", "3"), lambda reply: None)  # what is pushed can then be told from replies
        for words in self.commands:  # all of one turn leave in one write
            self.ask(words, print)

    def ask(self, words: tuple[Any, ...], on_reply: Callable[[Any], object]) -> None:
        self.transport.write(hiredis.pack_command(words))
        if words[0].lower() in ("subscribe", "psubscribe"):  # is answered by what is pushed
            self.subscribed = True
        else:
            self.waiting.append(on_reply)
            self.transport.set_read_timeout(PATIENCE)

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        self.unread += len(data)
        while (reply := self.reader.gets()) is not Ellipsis:
            self.unread = 0
            print(*reply) if isinstance(reply, hiredis.PushNotification) else self.waiting.popleft()(reply)
        if self.unread > LARGEST:
            raise ValueError(f"a reply of more than {LARGEST} bytes")
        if not self.waiting:
            self.transport.set_read_timeout(None)  # what is pushed comes when it comes
            if not self.subscribed:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_lost(exc or (self.waiting and f"the connection is over, {len(self.waiting)} commands have no reply"))


def main(host: str, port: str, *commands: str) -> str | None:
    failures: list[object] = []
    with Reactor() as reactor:

        def lost(exc: object) -> None:
            failures.append(exc)
            reactor.stop()

        client = Redis([tuple(shlex.split(each)) for each in commands], lost)
        reactor.set_exception_handler(lambda loop, context: None)  # on_lost is told, too
        reactor.connect_tcp(lambda: client, host, int(port), limits=Limits(write_timeout=PATIENCE), on_failure=lost)
        reactor.add_signal_handler(signal.SIGTERM, reactor.stop)  # as ctrl-C does
        reactor.run()
    return f"redis_client: {failures[0]}" if any(failures) else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 3 else __doc__)
