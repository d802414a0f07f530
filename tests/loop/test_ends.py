"""The failing of files that nobody reads or writes for now, over every selector there is."""

from __future__ import annotations

import os
import selectors
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from reactor import EventLoop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll alone tells")

RESET = struct.pack("ii", 1, 0)


@pytest.fixture(params=[None, selectors.SelectSelector, selectors.EpollSelector], ids=str)
def loop(request: pytest.FixtureRequest) -> Iterator[EventLoop]:
    with EventLoop(request.param and request.param()) as loop:
        yield loop


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    with one, other:
        yield one, other


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def test_a_reset_is_told_once(loop: EventLoop, tcp: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = tcp
    told: list[str] = []
    loop.watch_end(ours, lambda: told.append("end"))
    peer.send(b"nobody reads it")
    loop.run_once(0)
    assert told == []
    reset(peer)
    loop.run_once(5)
    loop.run_once(0)
    assert told == ["end"]


def test_who_was_forgotten_is_not_told(loop: EventLoop, tcp: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = tcp
    watched = loop.stats()["watched"]
    loop.watch_end(ours, lambda: pytest.fail("it was forgotten"))
    loop.forget_end(ours)
    loop.forget_end(ours)
    assert loop.stats()["watched"] == watched
    reset(peer)
    loop.run_once(0)


def test_the_last_of_two_is_told(loop: EventLoop, tcp: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = tcp
    told: list[str] = []
    for name in ("first", "second"):
        loop.watch_end(ours, lambda name=name: told.append(name))
    reset(peer)
    loop.run_once(5)
    assert told == ["second"]


def test_an_end_may_forget_another(loop: EventLoop) -> None:
    told: list[int] = []
    pairs = [socket.socketpair() for _ in range(2)]

    def end(number: int) -> None:
        told.append(number)
        loop.forget_end(pairs[1 - number][0])

    for number, (ours, peer) in enumerate(pairs):
        loop.watch_end(ours, lambda number=number: end(number))
        peer.close()
    loop.run_once(0)
    loop.run_once(0)
    assert len(told) == 1
    for ours, _ in pairs:
        ours.close()


def test_without_a_descriptor_nobody_is_told_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, loop: EventLoop, tcp: tuple[socket.socket, socket.socket]
) -> None:
    def none_left() -> None:
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr("select.epoll", none_left)
    loop.watch_end(tcp[0], lambda: pytest.fail("nobody can tell"))
    loop.forget_end(tcp[0])
    reset(tcp[1])
    loop.run_once(0)
