"""The load of bench: it counts what came back, and says what is wrong with every other server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers import FrameRecorder

from reactor import Framing, Reactor
from reactor.cli import bench_load
from reactor.cli.bench_load import Case, Load

CASE = Case(Framing(2), size=300, in_flight=3, connections=4)


class Honest(FrameRecorder):
    """Sends back what came."""

    framing = CASE.framing

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        self.send(message)


class Liar(Honest):
    """Changes one bit of its first message."""

    def message_received(self, message: bytes) -> None:
        super().message_received(message if self.messages else bytes([message[0] ^ 1]) + message[1:])


class Mute(Honest):
    """Takes messages and says nothing."""

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)


class Leaver(Mute):
    """Hangs up when the first message comes."""

    def message_received(self, message: bytes) -> None:
        self.transport.close()


@pytest.fixture
def load(net: Reactor) -> Load:
    return Load(net, CASE)


@pytest.fixture
def connect(net: Reactor, load: Load) -> Callable[..., list[Any]]:
    """Connect a load to a server with some protocol; return the server's ends."""

    def connect(factory: Callable[[], Any]) -> list[Any]:
        ends: list[Any] = []

        def server() -> Any:
            ends.append(factory())
            return ends[-1]

        load.connect("127.0.0.1", net.listen_tcp(server, "127.0.0.1", 0).addresses[0][1])
        net.run()
        return ends

    return connect


def test_a_connected_load_is_at_rest(load: Load, connect: Callable[..., list[Any]]) -> None:
    ends = connect(Honest)
    assert (load.failure, load.is_at_rest) == ("", True)
    assert [end.messages for end in ends] == [[]] * 4


@pytest.mark.parametrize("seconds", [0, 0.02])
def test_a_window_ends_when_every_message_is_back(
    seconds: float, net: Reactor, load: Load, connect: Callable[..., list[Any]]
) -> None:
    ends = connect(Honest)
    load.start(seconds)
    net.run()
    assert (load.failure, load.is_at_rest) == ("", True)
    assert load.elapsed > 0
    assert load.messages == sum(len(end.messages) for end in ends) >= 3 * 4
    assert {len(message) for end in ends for message in end.messages} == {300}


def test_each_window_counts_anew(net: Reactor, load: Load, connect: Callable[..., list[Any]]) -> None:
    connect(Honest)
    for _ in range(2):
        load.start(0)
        net.run()
        assert load.messages == 3 * 4


@pytest.mark.parametrize(
    ("server", "complaint"),
    [(Liar, "an echo differs from its message"), (Leaver, "the server closed the connection")],
)
def test_every_other_server_is_told_by_its_fault(
    server: type[Honest], complaint: str, net: Reactor, load: Load, connect: Callable[..., list[Any]]
) -> None:
    connect(server)
    load.start(0.02)
    net.run()
    assert load.failure == complaint


def test_a_server_that_never_answers_is_not_waited_for_forever(
    net: Reactor, load: Load, connect: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_load, "_PATIENCE", 0.05)
    connect(Mute)
    load.start(0)
    net.run()
    assert load.failure == "12 answers are due 0.05 s after the last message"


def test_a_server_that_is_not_there_is_told(net: Reactor, load: Load) -> None:
    server = net.listen_tcp(Honest, "127.0.0.1", 0)
    port = server.addresses[0][1]
    server.close()
    load.connect("127.0.0.1", port)
    net.run()
    assert load.failure == f"can't connect to 127.0.0.1:{port}: Connection refused"
