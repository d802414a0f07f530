"""reactor's protocols, by public names only."""

from __future__ import annotations

from typing import Any, ClassVar

from reactor import FramedProtocol, Limits, Protocol, Transport


class Messages(FramedProtocol):
    """A callback per message."""

    def message_received(self, message: bytes) -> None:
        self.send(message)


class Waiting(Messages):
    """The same, with a wait for each connection that is silent."""

    limits = Limits(idle_timeout=60.0)


class Reads(FramedProtocol):
    """A callback per read."""

    def messages_received(self, messages: Any) -> None:
        self.send_many(messages)


class Raw(Protocol):
    """Sends back what came."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Broadcast(FramedProtocol):
    """Sends each message, encoded once, to all connections."""

    transports: ClassVar[list[Transport]] = []  # of all connections

    def connection_made(self, transport: Transport) -> None:
        self.transports.append(transport)

    def message_received(self, message: bytes) -> None:
        frame = self.framing.encode(message)
        for transport in self.transports:
            transport.write(frame)


PROTOCOLS = {"messages": Messages, "waiting": Waiting, "reads": Reads, "raw": Raw, "broadcast": Broadcast}
