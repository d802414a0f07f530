"""Connections: how all of a reactor ends, whatever connection_lost does meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, run_until

from reactor import Reactor

LOCAL = "127.0.0.1"
Dial = Callable[[Any, bytes], socket.socket]


def port_of(server: Any) -> int:
    return int(server.addresses[0][1])


# --- what connection_lost may do while the reactor closes


@pytest.fixture
def closing(echo: type[Echo]) -> Callable[[Callable[[Reactor], object]], list[Any]]:
    """Return what closes a reactor with two connections whose end calls back; it returns what came of that."""

    def close(act: Callable[[Reactor], object]) -> list[Any]:
        told: list[Any] = []

        class Acts(echo):  # type: ignore[valid-type, misc]
            def connection_lost(self, exc: BaseException | None) -> None:
                super().connection_lost(exc)
                try:
                    told.append(act(net))
                except Exception as error:
                    told.append(error)

        net = Reactor()
        server = net.listen_tcp(Acts, LOCAL, 0)
        peers = [socket.create_connection(server.addresses[0]) for _ in range(2)]
        run_until(net, lambda: server.connections == 2)
        try:
            net.close()
        finally:
            assert net.is_closed()
            for peer in peers:
                peer.close()
        return told

    return close


Closing = Callable[[Callable[[Reactor], object]], list[Any]]


def test_closing_again_while_it_closes_does_nothing(closing: Closing) -> None:
    assert closing(lambda net: net.close()) == [None, None]


@pytest.mark.parametrize("act", [lambda net: net.run(), lambda net: net.run_once(0)])
def test_no_turn_is_made_while_it_closes(closing: Closing, act: Callable[[Reactor], object]) -> None:
    assert [type(each) for each in closing(act)] == [RuntimeError, RuntimeError]


@pytest.mark.parametrize(
    "act",
    [
        lambda net: net.listen_tcp(FrameRecorder, LOCAL, 0),
        lambda net: net.connect_tcp(FrameRecorder, LOCAL, 1),
        lambda net: net.connect_unix(FrameRecorder, "path"),
    ],
)
def test_nothing_is_opened_while_it_closes(closing: Closing, act: Callable[[Reactor], object]) -> None:
    assert [str(each) for each in closing(act)] == ["the loop is being closed"] * 2


def test_who_leaves_the_program_while_it_closes_leaves_nothing_open(closing: Closing, echo: type[Echo]) -> None:
    def leave(net: Reactor) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        closing(leave)
    assert [each.ended for each in echo.made_here] == [True, True]


def test_a_reactor_can_not_be_closed_from_inside_a_turn(net: Reactor) -> None:
    reports: list[Any] = []
    net.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    net.call_soon(net.close)
    net.run_once(0)
    assert "can't be closed" in str(reports[0])
    assert not net.is_closed()
