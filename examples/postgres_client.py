"""A PostgreSQL client: asks one question, prints the rows. It knows no passwords: pg_hba.conf has to say "trust".

Usage: python examples/postgres_client.py HOST PORT USER DATABASE "select version()"
"""

import struct
import sys
from collections.abc import Iterator

from reactor import FramedProtocol, Reactor, Transport, presets

VERSION = b"\0\3\0\0"


class Client(FramedProtocol):
    framing = presets.postgres_startup()  # of what it says first; all that follows has a type

    failure: object = "the server ended the connection"  # while nothing better is known

    def __init__(self, reactor: Reactor, user: str, database: str, query: str) -> None:
        self.reactor, self.query, self.asked = reactor, query, False
        self.parameters = ["user", user, "database", database, "client_encoding", "UTF8"]

    def connection_made(self, transport: Transport) -> None:
        self.send(VERSION + b"".join(each.encode() + b"\0" for each in self.parameters) + b"\0")
        self.framing = presets.postgres()

    def message_received(self, message: bytes) -> None:
        match self.decoder.header[:1]:
            case b"R" if message[:4] != b"\0\0\0\0":
                self.end("the server wants a password, this client has none")
            case b"E":
                self.failure = error(message)
            case b"D":
                print("\t".join("NULL" if value is None else value.decode() for value in row(message)))
            case b"C" | b"I":  # the answer is complete, or the question was empty
                self.failure = None
            case b"Z" if self.asked:
                self.end(self.failure)
            case b"Z":
                self.asked = True
                self.send(self.query.encode() + b"\0", prefix=b"Q")

    def end(self, failure: object) -> None:
        self.failure = failure
        self.send(b"", prefix=b"X")
        self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.failure = exc or self.failure
        self.reactor.stop()


def row(message: bytes) -> Iterator[bytes | None]:
    """Yield the values of a DataRow: bytes, or None for NULL."""
    at = 2
    for _ in range(struct.unpack_from("!h", message)[0]):
        [length] = struct.unpack_from("!i", message, at)
        at += 4
        yield None if length < 0 else message[at : at + length]
        at += max(0, length)


def error(message: bytes) -> str:
    """Return the text of an ErrorResponse: fields, each a letter and its value."""
    fields = {field[:1]: field[1:].decode() for field in message.split(b"\0") if field}
    return f"{fields[b'S']}: {fields[b'M']}"


def main(host: str, port: str, *words: str) -> str | None:
    with Reactor() as reactor:
        client = Client(reactor, *words)
        reactor.connect_tcp(lambda: client, host, int(port), on_failure=client.connection_lost)
        reactor.run()
    return f"postgres_client: {client.failure}" if client.failure else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 6 else __doc__)
