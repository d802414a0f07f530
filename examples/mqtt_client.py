"""An MQTT 3.1.1 client: subscribes to a topic, publishes messages to it, and prints what comes until all came back.

Usage: python examples/mqtt_client.py HOST PORT TOPIC MESSAGE...
"""

import sys
from enum import IntEnum

from reactor import FramedProtocol, Reactor, Transport, presets

Kind = IntEnum("Kind", {"CONNECT": 1, "CONNACK": 2, "PUBLISH": 3, "SUBSCRIBE": 8, "SUBACK": 9, "DISCONNECT": 14})
REFUSALS = {1: "it speaks another version", 2: "bad client id", 3: "unavailable", 4: "bad password", 5: "not allowed"}


class Client(FramedProtocol):
    framing = presets.mqtt()

    failure: object = "the server ended the connection"  # while nothing better is known

    def __init__(self, reactor: Reactor, topic: str, messages: tuple[str, ...]) -> None:
        self.reactor, self.topic, self.messages = reactor, topic, messages
        self.awaited = len(messages)

    def connection_made(self, transport: Transport) -> None:
        clean_session, no_keep_alive, any_client_id = b"\2", b"\0\0", text("")
        self.say(Kind.CONNECT, text("MQTT") + b"\4" + clean_session + no_keep_alive + any_client_id)

    def message_received(self, message: bytes) -> None:
        match self.decoder.header[0] >> 4:
            case Kind.CONNACK if message[1]:
                self.end(f"the server refuses: {REFUSALS.get(message[1], message[1])}")
            case Kind.CONNACK:
                self.subscribe()
            case Kind.SUBACK if message[2] >= 128:
                self.end(f"the server won't tell of {self.topic}")
            case Kind.SUBACK:
                for each in self.messages:
                    self.say(Kind.PUBLISH, text(self.topic) + each.encode())
            case Kind.PUBLISH:
                self.published(message)

    def subscribe(self) -> None:
        packet_id, at_most_once = b"\0\1", b"\0"
        self.say(Kind.SUBSCRIBE, packet_id + text(self.topic) + at_most_once, flags=2)

    def published(self, packet: bytes) -> None:
        body = 2 + int.from_bytes(packet[:2], "big")
        print(packet[2:body].decode(), packet[body:].decode())
        self.awaited -= 1
        if self.awaited == 0:
            self.end(None)

    def say(self, kind: int, packet: bytes, flags: int = 0) -> None:
        self.send(packet, prefix=bytes([kind << 4 | flags]))

    def end(self, failure: str | None) -> None:
        self.failure = failure
        self.say(Kind.DISCONNECT, b"")
        self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.failure = exc or self.failure
        self.reactor.stop()


def text(words: str) -> bytes:
    return len(words.encode()).to_bytes(2, "big") + words.encode()


def main(host: str, port: str, topic: str, *messages: str) -> str | None:
    with Reactor() as reactor:
        client = Client(reactor, topic, messages)
        reactor.connect_tcp(lambda: client, host, int(port), on_failure=client.connection_lost)
        reactor.run()
    return f"mqtt_client: {client.failure}" if client.failure else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 4 else __doc__)
