"""Other threads: a transport says at once that it isn't theirs while the loop runs, over every road and both twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers import elsewhere, elsewhere_in_a_turn
from road.cast import Bytes, Frames
from road.roads import Road

from reactor import FramedProtocol, Framing, Protocol

FRAME = Framing().encode
Use = Callable[[Any], object]

USES: dict[str, Use] = {
    "write": lambda transport: transport.write(b"x"),
    "writelines": lambda transport: transport.writelines([b"x"]),
    "write_eof": lambda transport: transport.write_eof(),
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
    "pause_reading": lambda transport: transport.pause_reading(),
    "resume_reading": lambda transport: transport.resume_reading(),
    "set_write_buffer_limits": lambda transport: transport.set_write_buffer_limits(1),
    "set_read_timeout": lambda transport: transport.set_read_timeout(1),
    "set_protocol": lambda transport: transport.set_protocol(Protocol()),
    "keep": lambda transport: transport.keep([b"x"]),
    "hold": lambda transport: transport.hold(),
    "start_tls": lambda transport: transport.start_tls(None),
}
SENDS: dict[str, Use] = {
    "send": lambda ours: ours.send(b"x"),
    "send_many": lambda ours: ours.send_many([b"x"]),
}


class Unlent(Framing):
    """Encodes in a way of its own, so that nothing is lent."""

    def encode(self, body: Any, prefix: Any = b"") -> bytes:
        return super().encode(body, prefix)


def wrong(name: str) -> str:
    return f"{name}() on another thread than the loop runs on: use call_soon_threadsafe()"


@pytest.mark.parametrize("name", USES)
def test_a_transport_of_another_thread_is_refused_and_nothing_happens(road: Road, name: str) -> None:
    ours = Bytes()
    peer = road.meet(ours)
    raised = elsewhere_in_a_turn(road.reactor, lambda: USES[name](ours.transport))
    assert isinstance(raised, RuntimeError)
    assert str(raised) == wrong(name)
    peer.send(b"in")
    road.until(lambda: ours.data == b"in")
    ours.transport.write(b"out")
    road.until(lambda: peer.take() or peer.plain == b"out")
    assert not ours.ended
    assert ours.transport.writes_dropped == 0


@pytest.mark.parametrize("name", SENDS)
@pytest.mark.parametrize("waits", [False, True])
def test_a_message_of_another_thread_is_refused_and_none_is_sent(road: Road, name: str, waits: bool) -> None:
    ours = Frames()
    peer = road.meet(ours)
    if waits:  # so that the flush of the turn is due already
        road.reactor.call_soon(ours.send, b"first")
    raised = elsewhere_in_a_turn(road.reactor, lambda: SENDS[name](ours))
    assert str(raised) == wrong(name)
    ours.send(b"last")
    sent = (FRAME(b"first") if waits else b"") + FRAME(b"last")
    road.until(lambda: peer.take() or peer.plain == sent)


def test_a_framing_of_its_own_is_refused_by_what_it_writes_with(road: Road) -> None:
    ours = Frames(Unlent())
    road.meet(ours)
    assert str(elsewhere_in_a_turn(road.reactor, lambda: ours.send(b"x"))) == wrong("write")


def test_a_hold_let_go_of_on_another_thread_is_held_on(road: Road) -> None:
    ours = Bytes()
    road.meet(ours)
    hold = ours.transport.hold()
    assert str(elsewhere_in_a_turn(road.reactor, hold.release)) == wrong("release")
    ours.transport.close_when_quiet()
    road.settle()
    assert not ours.ended
    hold.release()
    hold.release()
    road.until(lambda: ours.ended)


def test_call_soon_threadsafe_is_the_way(road: Road) -> None:
    ours = Frames()
    peer = road.meet(ours)
    assert elsewhere_in_a_turn(road.reactor, lambda: road.reactor.call_soon_threadsafe(ours.send, b"x")) is None
    road.until(lambda: peer.take() or peer.plain == FRAME(b"x"))


def test_asking_is_free(road: Road) -> None:
    ours = Bytes()
    road.meet(ours)

    def ask() -> None:
        transport = ours.transport
        transport.is_closing(), transport.is_reading(), transport.can_write_eof(), transport.get_protocol()
        transport.get_write_buffer_size(), transport.get_write_buffer_limits(), transport.get_extra_info("peername")

    assert elsewhere_in_a_turn(road.reactor, ask) is None


@pytest.mark.parametrize("cls", [Bytes, Frames])
def test_while_nobody_runs_the_loop_any_thread_may_write(road: Road, cls: type[Any]) -> None:
    ours = cls()
    peer = road.meet(ours)
    assert elsewhere(lambda: ours.transport.write(b"x")) is None
    road.until(lambda: peer.take() or peer.plain == b"x")


@pytest.mark.parametrize("name", ["write", "writelines", "send", "send_many"])
def test_so_it_is_with_a_connection_that_is_over(road: Road, name: str) -> None:
    ours = Frames()
    road.meet(ours)
    transport, lent = ours.transport, {"send": ours.send, "send_many": ours.send_many}
    transport.abort()
    road.until(lambda: ours.ended)
    raised = elsewhere_in_a_turn(road.reactor, lambda: getattr(transport, name, lent.get(name))([]))
    assert str(raised) == wrong(name)


def test_a_server_and_a_connector_are_the_loops_own(road: Road) -> None:
    net = road.reactor
    server = net.listen_tcp(FramedProtocol, "127.0.0.1", 0)
    connector = net.connect_tcp(FramedProtocol, *server.addresses[0], on_failure=print)
    assert str(elsewhere_in_a_turn(net, server.close)) == wrong("close")
    assert str(elsewhere_in_a_turn(net, lambda: server.drain(0))) == wrong("drain")
    assert str(elsewhere_in_a_turn(net, server.abort)) == wrong("abort")
    assert str(elsewhere_in_a_turn(net, connector.close)) == wrong("close")
    assert not server.closed
    connector.close()
    server.close()
