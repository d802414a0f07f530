"""Load: it is content with a good server, and says what is wrong with every other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers import FrameRecorder, run_until

from reactor import Framing, Limits, Reactor
from reactor.cli import load as load_module
from reactor.cli.load import Load
from reactor.transport.address import TCPAddress

LIMIT = 3000


class Honest(FrameRecorder):
    """Sends back what came."""

    framing = Framing(2)

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        self.send(message)


class Liar(Honest):
    """Changes one bit of one message."""

    def message_received(self, message: bytes) -> None:
        super().message_received(bytes([message[0] ^ 1]) + message[1:] if len(self.messages) == 1 else message)


class Swapper(Honest):
    """Answers the first two messages in the wrong order."""

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)
        if len(self.messages) == 2:
            self.send_many(reversed(self.messages))


class Mute(Honest):
    """Takes messages and says nothing."""

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)


class Leaver(Mute):
    """Hangs up when the first message comes."""

    def message_received(self, message: bytes) -> None:
        self.transport.close()


class Stranger(Mute):
    """Doesn't speak frames."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"\xff\xff")


@pytest.fixture
def load(net: Reactor) -> Load:
    return Load(net, Framing(2, max_frame_length=LIMIT), LIMIT, lambda: None)


@pytest.fixture
def run(net: Reactor, load: Load) -> Callable[..., None]:
    """Run a load against a server with some protocol until it is over."""

    def run(factory: Callable[[], Any], connections: int = 3, seconds: float = 0.05) -> None:
        server = net.listen_tcp(factory, "127.0.0.1", 0)
        load.start(TCPAddress(*server.addresses[0]), connections, seconds)
        run_until(net, lambda: load.is_over)

    return run


def test_an_honest_server_is_believed(load: Load, run: Callable[..., None]) -> None:
    run(Honest)
    assert load.failure == ""
    assert load.elapsed > 0
    assert load.messages >= 3
    assert load.round_trips.quantile(0.5) > 0


def test_what_was_counted_is_what_the_server_saw(load: Load, run: Callable[..., None]) -> None:
    servers: list[Honest] = []

    def server() -> Honest:
        servers.append(Honest())
        return servers[-1]

    run(server)
    seen = [message for each in servers for message in each.messages]
    assert (load.messages, load.bytes) == (len(seen), sum(map(len, seen)))


def test_every_connection_sends_nothing_at_all_and_the_limit(load: Load, run: Callable[..., None]) -> None:
    servers: list[Honest] = []

    def server() -> Honest:
        servers.append(Honest())
        return servers[-1]

    run(server, seconds=0)
    assert load.failure == ""
    assert [{0, LIMIT} <= set(map(len, each.messages)) for each in servers] == [True] * 3
    assert all(len(message) <= LIMIT for each in servers for message in each.messages)


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (Liar, "an echo differs from its message"),
        (Swapper, f"an echo differs from its message: {LIMIT} bytes for one of 0"),
        (Leaver, "the server closed the connection; "),
        (
            Stranger,
            f"body of 65535 bytes announced by header ff ff '..' at stream offset 0, max_frame_length is {LIMIT}",
        ),
    ],
)
def test_every_other_server_is_told_by_its_first_fault(
    server: type[Honest], complaint: str, load: Load, run: Callable[..., None]
) -> None:
    run(server, connections=1)
    assert load.failure.startswith("connection 1: ")
    assert complaint in load.failure


def test_a_server_that_never_answers_is_not_waited_for_forever(
    load: Load, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "_PATIENCE", 0.05)
    run(Mute)
    assert load.failure == "3 connections still wait for answers 0.05 s after the last message"


def test_a_server_that_is_not_there_is_told(net: Reactor, load: Load) -> None:
    server = net.listen_tcp(Honest, "127.0.0.1", 0)
    where = TCPAddress(*server.addresses[0])
    server.close()
    load.start(where, 3, 0)
    run_until(net, lambda: load.is_over)
    assert load.failure == f"can't connect to {where}: Connection refused"


def test_the_end_is_told_at_once(net: Reactor) -> None:
    ends: list[str] = []
    load = Load(net, Framing(2), 10, lambda: ends.append("end"))
    server = net.listen_tcp(Honest, "127.0.0.1", 0, limits=Limits())
    load.start(TCPAddress(*server.addresses[0]), 2, 0)
    run_until(net, lambda: ends)
    assert load.is_over
