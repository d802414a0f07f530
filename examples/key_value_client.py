"""A client of key_value_store.py: all requests at once, and each answer to who asked, for they come in order.

    python examples/key_value_store.py 127.0.0.1 9000
    python examples/key_value_client.py 127.0.0.1 9000 "set colour dark red" "get colour" "delete colour" "get colour"

Each request has a function that is called once, with its answer, or with None where the connection was lost before.
"""

import sys
from collections import deque
from collections.abc import Callable

from key_value_store import FRAMING, Verdict, What

from reactor import FramedProtocol, Limits, Reactor, Transport

LIMITS = Limits(connect_timeout=5, read_timeout=10)  # there is always something to read: the next answer
OnAnswer = Callable[[Verdict | None, bytes], object]


class Client(FramedProtocol):
    framing = FRAMING

    def __init__(self, on_made: Callable[["Client"], object]) -> None:
        self.on_made = on_made
        self.waiting: deque[OnAnswer] = deque()

    def connection_made(self, transport: Transport) -> None:
        self.on_made(self)

    def ask(self, what: What, key: bytes, value: bytes, on_answer: OnAnswer) -> None:
        """Call `on_answer(verdict, value)`, or `on_answer(None, reason)`."""
        self.send(bytes([what, len(key)]) + key + value)
        self.waiting.append(on_answer)

    def message_received(self, message: bytes) -> None:
        self.waiting.popleft()(Verdict(message[0]), message[1:])

    def connection_lost(self, exc: Exception | None) -> None:
        while self.waiting:
            self.waiting.popleft()(None, str(exc or "the server ended the connection").encode())


class Asker:
    """Asks what it is told to, and prints the answers."""

    def __init__(self, reactor: Reactor, requests: list[list[str]]) -> None:
        self.reactor, self.requests = reactor, requests
        self.failure: str | None = None

    def ask_all(self, client: Client) -> None:
        for what, key, *value in self.requests:
            client.ask(What[what.upper()], key.encode(), "".join(value).encode(), self.answered)
        self.client = client

    def answered(self, verdict: Verdict | None, value: bytes) -> None:
        if verdict is None:
            self.failed(value.decode())
        else:
            print(verdict.name, value.decode(errors="replace"))
            self.client.waiting or self.reactor.stop()

    def failed(self, exc: object) -> None:
        self.failure = f"key_value_client: {exc}"
        self.reactor.stop()


def main(host: str, port: str, *words: str) -> str | None:
    requests = [each.split(" ", 2) for each in words]
    if not all(len(each) > 1 and each[0].upper() in What.__members__ for each in requests):
        return "key_value_client: a request is get KEY, set KEY VALUE or delete KEY"
    with Reactor() as reactor:
        asker = Asker(reactor, requests)
        reactor.connect_tcp(lambda: Client(asker.ask_all), host, int(port), limits=LIMITS, on_failure=asker.failed)
        reactor.run()
    return asker.failure


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 3 else __doc__)
