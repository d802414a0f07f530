"""Who exchanges datagrams in these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactor import DatagramProtocol


class Datagrams(DatagramProtocol):
    """Writes down its callbacks, and does `on[name](self)` in each of that name."""

    def __init__(self, **on: Callable[[Any], object]) -> None:
        self.on = on
        self.calls: list[str] = []
        self.came: list[bytes] = []
        self.senders: list[Any] = []
        self.errors: list[Exception] = []
        self.lost: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.note("made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append(data)
        self.senders.append(addr)
        self.note("datagram")

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self.note("error")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = exc
        self.note("lost")

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def note(self, name: str) -> None:
        self.calls.append(name)
        if name in self.on:
            self.on[name](self)

    @property
    def ended(self) -> bool:
        return "lost" in self.calls


class DatagramEcho(Datagrams):
    """Answers every datagram with itself."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


def address_of(endpoint: Any) -> Any:
    return endpoint.get_extra_info("sockname")
