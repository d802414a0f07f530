import sys

from reactor import Backoff, FramedProtocol, Reactor

from wire import FRAMING


class Client(FramedProtocol):
    """Sends its requests at once. The answers come in the same order."""

    framing = FRAMING

    def __init__(self, requests, on_end):
        self.requests, self.on_end = requests, on_end
        self.answers = []

    def connection_made(self, transport):
        self.send_many(self.requests)

    def message_received(self, message):
        self.answers.append(message)
        print(message.decode(), flush=True)
        if len(self.answers) == len(self.requests):
            self.transport.close()

    def connection_lost(self, exc):  # None for a clean end, else its cause
        complete = len(self.answers) == len(self.requests)
        self.on_end(None if complete else exc or "the server closed the connection")


def main(host, port, *requests, **options):
    failure = None

    def ended(reason):
        nonlocal failure
        failure = reason
        reactor.stop()

    with Reactor() as reactor:
        client = Client([each.encode() for each in requests], ended)
        retry = Backoff(initial=0.2, attempts=6)
        reactor.connect_tcp(lambda: client, host, int(port), on_failure=ended, retry=retry, **options)
        reactor.run()
    return failure and f"client: {failure}"  # sys.exit() prints it


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
