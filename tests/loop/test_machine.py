"""Machine: whatever a reactor has of the system it asks its machine for, so that another one may stand in."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from helpers import Recorder

from reactor import DatagramProtocol, Reactor
from reactor.loop.machine import THIS, Machine


class Poor(Machine):
    """Has no socket, and knows no name."""

    def socket(self, family: int, kind: int) -> Any:
        raise OSError(24, "no socket here")

    def getaddrinfo(self, host: str | None, port: int, kind: int, flags: int) -> list[Any]:
        return [(socket.AF_INET, kind, 0, "", (host, port))]


def test_a_loop_runs_on_this_machine_unless_it_has_another(net: Reactor) -> None:
    assert net.machine is THIS


def test_what_it_gives_are_the_systems_sockets_and_descriptors() -> None:
    THIS.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    fd = THIS.take_descriptor()
    assert fd is not None
    THIS.give_descriptor(fd)


def test_every_door_asks_the_machine_of_its_reactor(net: Reactor) -> None:
    net.machine = Poor()
    failures: list[Any] = []
    with pytest.raises(OSError, match="no socket here"):
        net.listen_tcp(Recorder, "a.name", 1)
    with pytest.raises(OSError, match="no socket here"):
        net.bind_udp(DatagramProtocol, "a.name", 1)
    with pytest.raises(OSError, match="no socket here"):
        net.connect_udp(DatagramProtocol, "127.0.0.1", 1)
    net.connect_tcp(Recorder, "127.0.0.1", 1, on_failure=failures.append)
    net.run_once()
    assert "no socket here" in str(failures[0])
