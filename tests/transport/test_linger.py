"""Linger: the last bytes of a connection that is over arrive, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import Recorder, run_until

from reactor import Reactor
from reactor.server import Server
from reactor.testing import ManualClock
from reactor.transport import sockets
from reactor.transport.linger import Linger

LOCAL = "127.0.0.1"


class AnswersOnce(Recorder):
    """Answers the first bytes and closes, whatever else is to come."""

    answer = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(self.answer)
        self.transport.close()


@pytest.fixture
def answers() -> type[AnswersOnce]:
    return type("AnswersOnce", (AnswersOnce,), {})


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while chunk := sock.recv(1 << 16):
        data += chunk
    return data


def talks_first(address: Any, question: int) -> bytes:
    """Send all of a question before reading any answer, as many clients do; return the whole answer."""
    with socket.create_connection(address, timeout=20) as sock:
        sock.sendall(bytes(question))
        return read_all(sock)


@pytest.mark.parametrize("question", [1, 100_000, 900_000])
@pytest.mark.parametrize("size", [10, 300_000, 2_000_000])
def test_a_client_that_is_still_sending_gets_the_whole_answer(
    net: Reactor, answers: type[AnswersOnce], question: int, size: int
) -> None:
    answers.answer = os.urandom(size)
    server = net.listen_tcp(answers, LOCAL, 0)
    answer = net.run_in_thread(talks_first, server.addresses[0], question)
    run_until(net, answer.done)
    assert answer.result() == answers.answer


def test_a_client_that_makes_a_pause_in_its_question_is_not_cut_off(net: Reactor, answers: type[AnswersOnce]) -> None:
    """When the connection is over nothing is unread and all is acknowledged; the rest of the question is on its way."""
    answers.answer = b"the last message"
    server = net.listen_tcp(answers, LOCAL, 0)
    with socket.create_connection(server.addresses[0], timeout=20) as client:
        client.sendall(b"question")
        run_until(net, lambda: server.connections)
        run_until(net, lambda: not server.connections)
        for _ in range(3):
            client.sendall(b"and another thing")
            net.run_once(0)
        assert client.recv(100) == b"the last message"


def test_a_client_that_reads_slowly_gets_all_of_a_large_answer(net: Reactor, answers: type[AnswersOnce]) -> None:
    answers.answer = os.urandom(3_000_000)
    server, answer, client_ended = net.listen_tcp(answers, LOCAL, 0), b"", False
    with socket.create_connection(server.addresses[0]) as client:
        client.sendall(b"question")
        run_until(net, lambda: net.stats()["events"] > 1)
        client.setblocking(False)
        while not client_ended:
            net.run_once(0)
            with contextlib.suppress(BlockingIOError):
                chunk = client.recv(30_000)
                answer += chunk
                client_ended = not chunk
    assert answer == answers.answer


# --- alone, on a clock that is told the time


class Lingering:
    """A lingering socket, and the peer at its other end."""

    def __init__(self, loop: Reactor) -> None:
        self.sock, self.peer = socket.socketpair()
        self.sock.setblocking(False)
        self.closed: list[Linger] = []
        self.linger = Linger(loop, self.sock, memoryview(bytearray(1 << 18)), self.closed.append)


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    with Reactor(clock=clock) as net:
        yield net


@pytest.fixture
def lingering(told: Reactor) -> Iterator[Lingering]:
    made = Lingering(told)
    yield made
    made.peer.close()


def test_it_ends_our_side_at_once(told: Reactor, lingering: Lingering) -> None:
    lingering.peer.settimeout(20)
    assert lingering.peer.recv(1) == b""
    told.run_once(0)
    assert lingering.closed == []
    lingering.linger.close()


def test_it_drops_what_comes_and_ends_at_the_peers_end(told: Reactor, lingering: Lingering) -> None:
    lingering.peer.send(bytes(1000))
    told.run_once(0)
    assert lingering.closed == []
    lingering.peer.shutdown(socket.SHUT_WR)
    told.run_once(0)
    assert lingering.closed == [lingering.linger]
    assert lingering.sock.fileno() == -1
    assert (told.stats()["timers"], told.stats()["watched"]) == (0, 0)


def test_it_ends_after_two_seconds_whatever_comes(told: Reactor, lingering: Lingering, clock: ManualClock) -> None:
    for _ in range(19):
        lingering.peer.send(b"x")
        clock.advance(0.1)
        told.run_once(0)
    assert lingering.closed == []
    clock.advance(0.2)
    told.run_once(0)
    assert lingering.closed == [lingering.linger]
    assert told.stats()["watched"] == 0


def test_it_ends_after_a_mebibyte(told: Reactor, lingering: Lingering) -> None:
    lingering.peer.setblocking(False)
    sent = 0
    while not lingering.closed:
        try:
            sent += lingering.peer.send(bytes(100_000))
        except BlockingIOError:
            told.run_once(0)
        assert sent < 3 << 20
    assert sent > 1 << 20
    assert told.stats()["timers"] == 0


def test_a_reset_ends_it(told: Reactor) -> None:
    closed: list[Linger] = []
    with socket.create_server((LOCAL, 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    sock.setblocking(False)
    Linger(told, sock, memoryview(bytearray(100)), closed.append)
    sockets.close(peer, reset=True)
    run_until(told, lambda: closed)


# --- as the reactor uses it


def unsettled(net: Reactor, answers: type[AnswersOnce]) -> tuple[Server, socket.socket]:
    """Return a server whose only connection is over, and lingers, and its client, which reads nothing."""
    answers.answer = bytes(400_000)
    server = net.listen_tcp(answers, LOCAL, 0)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(server.addresses[0])
    client.sendall(b"question")
    run_until(net, lambda: server.connections)
    run_until(net, lambda: not server.connections)
    assert net._lingers
    return server, client


def test_the_reactor_closes_who_lingers(answers: type[AnswersOnce]) -> None:
    with Reactor() as net:
        _, client = unsettled(net, answers)
    client.close()


def test_a_lingering_connection_is_over_for_its_protocol_and_its_server(
    told: Reactor, clock: ManualClock, answers: type[AnswersOnce]
) -> None:
    server, client = unsettled(told, answers)
    assert (told.stats()["connections"], server.connections) == (0, 0)
    clock.advance(2)
    told.run_once(0)
    assert not told._lingers
    client.close()


def test_a_descriptor_is_free_when_lingering_is_over(
    told: Reactor, clock: ManualClock, answers: type[AnswersOnce], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = unsettled(told, answers)
    freed: list[Server] = []
    monkeypatch.setattr(Server, "descriptor_freed", lambda server: freed.append(server))
    clock.advance(2)
    told.run_once(0)
    client.close()
    assert freed, "a server that holds off for want of descriptors is told"


def test_an_aborted_connection_does_not_linger(net: Reactor) -> None:
    class Aborts(Recorder):
        def data_received(self, data: bytes) -> None:
            self.transport.write(bytes(400_000))
            self.transport.abort()

    server = net.listen_tcp(Aborts, LOCAL, 0)
    with socket.create_connection(server.addresses[0], timeout=20) as client:
        client.sendall(bytes(1000))
        run_until(net, lambda: server.connections)
        run_until(net, lambda: not server.connections)
        assert not net._lingers
        with pytest.raises(ConnectionResetError):
            read_all(client)
