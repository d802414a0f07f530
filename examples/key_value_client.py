"""A client of key_value_store.py: all requests at once, and each answer to who asked, for they come in order.

    python examples/key_value_store.py 127.0.0.1 9000
    python examples/key_value_client.py 127.0.0.1 9000 "set colour dark red" "get colour" "delete colour" "get colour"

Each request has a function that is called once, with its answer, or with None where the connection was lost before.
"""

import sys
from collections import deque
from collections.abc import Callable

from key_value_store import Asked, Verdict, What

from reactor import FramedProtocol, Limits, Reactor, Transport

LIMITS = Limits(connect_timeout=5, read_timeout=10)  # there is always something to read: the next answer
OnAnswer = Callable[[Verdict | None, bytes], object]


class Client(FramedProtocol):
    framing = Asked.framing

    def __init__(self, on_made: Callable[["Client"], object], on_lost: Callable[[object], object]) -> None:
        self.on_made, self.on_lost = on_made, on_lost
        self.waiting: deque[OnAnswer] = deque()

    def connection_made(self, transport: Transport) -> None:
        self.on_made(self)

    def ask(self, what: What, key: bytes, value: bytes, on_answer: OnAnswer) -> None:
        """Call `on_answer(verdict, value)`, or `on_answer(None, reason)`."""
        self.send(bytes([what, len(key)]) + key + value)
        self.waiting.append(on_answer)

    def message_received(self, message: bytes) -> None:
        self.waiting.popleft()(Verdict(message[0]), message[1:])
        if not self.waiting:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = exc or (self.waiting and ConnectionError("the server ended the connection"))
        while self.waiting:
            self.waiting.popleft()(None, str(reason).encode())
        self.on_lost(reason)


def main(host: str, port: str, *words: str) -> str | None:
    requests = [each.split(" ", 2) for each in words]
    if not all(len(each) > 1 and each[0].upper() in What.__members__ for each in requests):
        return "key_value_client: a request is get KEY, set KEY VALUE or delete KEY"
    failures: list[str] = []
    with Reactor() as reactor:

        def ask_all(client: Client) -> None:
            for what, key, *value in requests:
                client.ask(What[what.upper()], key.encode(), "".join(value).encode(), show)

        def lost(exc: object) -> None:
            failures.extend([f"key_value_client: {exc}"] if exc else [])
            reactor.stop()

        reactor.connect_tcp(lambda: Client(ask_all, lost), host, int(port), limits=LIMITS, on_failure=lost)
        reactor.run()
    return failures[0] if failures else None


def show(verdict: Verdict | None, value: bytes) -> None:
    print(verdict.name if verdict else "LOST", value.decode(errors="replace"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 3 else __doc__)
