"""Linger: the last bytes of a connection that is over arrive, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import Recorder, run_until

from reactor import Reactor
from reactor.server import Server
from reactor.testing import ManualClock
from reactor.transport import linger, sockets
from reactor.transport.linger import Linger, Lingers

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
        self.linger.start()


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
    Linger(told, sock, memoryview(bytearray(100)), closed.append).start()
    sockets.close(peer, reset=True)
    run_until(told, lambda: closed)


def test_giving_up_drops_what_has_come_so_that_closing_is_no_reset(told: Reactor, lingering: Lingering) -> None:
    lingering.peer.send(bytes(1000))
    lingering.linger.give_up()
    lingering.linger.give_up()
    assert lingering.closed == [lingering.linger]
    assert lingering.peer.recv(1) == b"", "an end, and no reset"


# --- those of one loop


class Ended:
    """Sockets that linger in one loop, and the peers at their other ends."""

    def __init__(self, loop: Reactor, count: int) -> None:
        self.closed: list[Any] = []
        self.all = Lingers(loop, memoryview(bytearray(1 << 18)), lambda linger, owner: self.closed.append(owner))
        pairs = [socket.socketpair() for _ in range(count)]
        self.peers = [peer for _, peer in pairs]
        for number, (sock, _) in enumerate(pairs):
            sock.setblocking(False)
            self.all.add(sock, number)

    def close(self) -> None:
        self.all.close_when_arrived()
        for peer in self.peers:
            peer.close()


def test_the_oldest_is_given_up_first(told: Reactor) -> None:
    ended = Ended(told, 3)
    assert ended.all.give_up_oldest()
    assert ended.all.give_up_oldest()
    assert (ended.closed, len(ended.all)) == ([0, 1], 1)
    ended.close()
    assert not ended.all.give_up_oldest()


def test_of_too_many_the_oldest_give_way(told: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "_MOST_LINGERS", 3)
    ended = Ended(told, 5)
    assert (ended.closed, len(ended.all)) == ([0, 1], 3)
    ended.close()
    assert ended.closed == [0, 1, 2, 3, 4]


def test_who_cannot_be_watched_is_closed(told: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(*args: Any) -> Any:
        raise OSError("no room to watch it")

    ended = Ended(told, 0)
    monkeypatch.setattr(told._selector, "register", register)
    sock, peer = socket.socketpair()
    with peer:
        assert ended.all.add(sock, "owner") is None
        assert peer.recv(1) == b""
    assert (len(ended.all), told.stats()["timers"]) == (0, 0)


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


def test_the_reactor_waits_for_bytes_that_have_not_arrived_and_not_for_ever(
    clock: ManualClock, answers: type[AnswersOnce], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Reactor() as net:
        _, client = unsettled(net, answers)
        monkeypatch.setattr(linger, "time", SimpleNamespace(monotonic=clock, sleep=clock.advance))
        began = clock.now
    assert 2 <= clock.now - began < 2.1
    client.close()


def test_the_reactor_waits_half_a_second_where_the_system_tells_nothing(
    clock: ManualClock, answers: type[AnswersOnce], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "fcntl", None)
    with Reactor() as net:
        _, client = unsettled(net, answers)
        monkeypatch.setattr(linger, "time", SimpleNamespace(monotonic=clock, sleep=clock.advance))
        began = clock.now
    assert 0.5 <= clock.now - began < 0.6
    client.close()


def test_a_reactor_that_is_closed_waits_until_a_slow_reader_has_everything(answers: type[AnswersOnce]) -> None:
    def reads_late(client: socket.socket) -> bytes:
        client.sendall(b"and half of the next question")
        return read_all(client)

    with ThreadPoolExecutor() as threads:
        with Reactor() as net:
            _, client = unsettled(net, answers)
            answer = threads.submit(reads_late, client)
        assert answer.result() == answers.answer
    client.close()


def test_a_reactor_that_is_closed_does_not_wait_for_peers_that_have_everything(
    answers: type[AnswersOnce], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.answer = b"the answer"
    with Reactor() as other:
        server = other.listen_tcp(answers, LOCAL, 0)
        client = socket.create_connection(server.addresses[0], timeout=20)
        client.sendall(b"question")
        run_until(other, lambda: other._lingers)
        assert client.recv(100) == b"the answer"
        run_until(other, lambda: all(each.has_arrived() for each in other._lingers._owners))
        naps: list[float] = []
        monkeypatch.setattr(linger, "time", SimpleNamespace(monotonic=lambda: 0, sleep=naps.append))
    assert naps == []
    assert client.recv(1) == b""
    client.close()


def test_an_interrupt_ends_the_waiting(answers: type[AnswersOnce], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    net = Reactor()
    _, client = unsettled(net, answers)
    monkeypatch.setattr(linger, "time", SimpleNamespace(monotonic=lambda: 0, sleep=interrupt))
    with pytest.raises(KeyboardInterrupt):
        net.close()
    assert (net.is_closed(), len(net._lingers)) == (True, 0)
    client.close()


def test_who_closed_outside_a_turn_is_heard_before_the_reactor_closes() -> None:
    with Reactor() as net:
        server, client = net.listen_tcp(Recorder, LOCAL, 0), Recorder()
        net.connect_tcp(lambda: client, LOCAL, server.addresses[0][1])
        run_until(net, lambda: client.calls and server.connections)
        (connection,) = server._guests
        peer = connection.get_extra_info("socket").dup()
        client.transport.write(b"goodbye")
        client.transport.close()
    with peer:
        assert client.lost is None
        assert peer.recv(100) == b"goodbye"


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
