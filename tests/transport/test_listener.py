"""Listener: takes new connections, some at a time, and holds off when it can't."""

import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from helpers import run_until

from reactor import Reactor
from reactor.testing import ManualClock
from reactor.transport import Listener, sockets


@pytest.fixture
def accepted() -> Iterator[list[socket.socket]]:
    socks: list[socket.socket] = []
    yield socks
    for sock in socks:
        sock.close()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let this process have as many descriptors as it has, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def listen(net: Reactor, accepted: list[socket.socket]) -> Listener:
    sock = sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 100, False)
    return Listener(net, sock, lambda sock, peer: accepted.append(sock))


def connect(listener: Listener, count: int, accepted: list[socket.socket]) -> None:
    accepted += [socket.create_connection(listener.address) for _ in range(count)]


def test_a_storm_is_taken_in_batches(net: Reactor, accepted: list[socket.socket]) -> None:
    clients: list[socket.socket] = []
    listener = listen(net, accepted)
    connect(listener, 40, clients)
    net.run_once(5)
    assert len(accepted) == 16
    run_until(net, lambda: len(accepted) == 40)
    listener.close()
    accepted += clients


def test_a_parked_listener_takes_nobody_until_it_is_unparked(net: Reactor, accepted: list[socket.socket]) -> None:
    listener = listen(net, accepted)
    listener.park()
    clients: list[socket.socket] = []
    connect(listener, 1, clients)
    net.run_once(0)
    assert accepted == []
    listener.unpark()
    run_until(net, lambda: accepted)
    listener.close()
    listener.close()
    accepted += clients


def test_without_descriptors_it_holds_off_and_tries_again(
    net: Reactor, accepted: list[socket.socket], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []
    accept = sockets.accept

    def out_of_fds(sock: socket.socket, take: sockets.Take) -> Any:
        calls.append(sock)
        if len(calls) < 4:
            raise sockets.OutOfDescriptors(errno.EMFILE, "Too many open files")
        return accept(sock, take)

    monkeypatch.setattr(sockets, "accept", out_of_fds)
    monkeypatch.setattr(sockets, "refuse", lambda sock, take: False)
    listener = listen(net, accepted)
    clients: list[socket.socket] = []
    connect(listener, 1, clients)
    run_until(net, lambda: accepted)
    listener.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"127.0.0.1:{listener.address[1]} accepts nobody for now: Too many open files"
    ]
    accepted += clients


def test_who_waits_without_descriptors_is_reset_and_the_next_one_is_served(
    net: Reactor, accepted: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    listener = listen(net, accepted)
    clients: list[socket.socket] = []
    connect(listener, 3, clients)
    with no_descriptor_left():
        net.run_once(1)
    assert (listener.shed, accepted) == (3, [])
    for client in clients:
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)
    clients.clear()
    connect(listener, 1, clients)
    listener.descriptor_freed()
    net.run_once(1)
    assert len(accepted) == 1
    listener.close()
    accepted += clients
    assert len(caplog.records) == 1


@pytest.fixture
def told(clock: ManualClock) -> Iterator[Reactor]:
    """A reactor over real sockets, on a clock that is told the time."""
    with Reactor(clock=clock) as net:
        yield net


class Troubles:
    """accept() raises what is next, and then takes who is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._accept = sockets.accept
        self.next: list[OSError] = []
        self.asked = 0
        monkeypatch.setattr(sockets, "accept", self._accept_or_raise)
        monkeypatch.setattr(sockets, "refuse", lambda sock, take: False)

    def _accept_or_raise(self, sock: socket.socket, take: sockets.Take) -> Any:
        self.asked += 1
        if self.next:
            raise self.next.pop(0)
        return self._accept(sock, take)


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> Troubles:
    return Troubles(monkeypatch)


NO_DESCRIPTOR = sockets.OutOfDescriptors(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EACCES, errno.EBADF, errno.EPERM, errno.EMFILE])
def test_an_error_that_stays_is_one_line_and_waits_that_grow(
    told: Reactor,
    clock: ManualClock,
    accepted: list[socket.socket],
    troubles: Troubles,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    kind = sockets.OutOfDescriptors if code == errno.EMFILE else OSError
    troubles.next = [kind(code, os.strerror(code)) for _ in range(10_000)]
    listener = listen(told, accepted)
    connect(listener, 1, accepted)
    began, tried = clock.now, []
    while clock.now < began + 10:
        asked = troubles.asked
        told.run_once(0)
        if troubles.asked > asked:
            tried.append(clock.now - began)
        clock.advance(1 / 128)
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert all(gap <= 2 * before + 1 / 64 for before, gap in pairwise(gaps))
    assert 0.9 <= max(gaps) <= 1.1, "it grows up to a second, and no longer"
    assert len(tried) < 20
    assert [record.getMessage() for record in caplog.records] == [
        f"127.0.0.1:{listener.address[1]} accepts nobody for now: {os.strerror(code)}"
    ]
    listener.close()


def test_a_listener_that_somebody_else_has_shut_down_holds_off(
    told: Reactor, clock: ManualClock, accepted: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    listener = listen(told, accepted)
    with listener._sock.dup() as other:  # stands for another process
        other.shutdown(socket.SHUT_RDWR)
    for _ in range(1000):
        told.run_once(0)
    assert told.stats()["events"] == 1, "no spin"
    assert "Invalid argument" in caplog.text
    listener.close()


def test_trouble_that_comes_back_has_a_line_a_minute_with_its_count(
    told: Reactor,
    clock: ManualClock,
    accepted: list[socket.socket],
    troubles: Troubles,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clients: list[socket.socket] = []
    listener = listen(told, accepted)
    for _ in range(20):
        troubles.next = [NO_DESCRIPTOR]
        connect(listener, 1, clients)
        told.run_once(0)
        clock.advance(2)  # it has recovered in between each time
        told.run_once(0)
        told.run_once(0)
    assert len(accepted) == 20
    assert len(caplog.records) == 1
    clock.advance(61)
    troubles.next = [NO_DESCRIPTOR]
    connect(listener, 1, clients)
    told.run_once(0)
    assert [record.getMessage() for record in caplog.records][1:] == [
        f"127.0.0.1:{listener.address[1]} accepts nobody for now: Too many open files, 20 times by now"
    ]
    listener.close()
    accepted += clients


def test_each_kind_of_trouble_has_its_line(
    told: Reactor,
    clock: ManualClock,
    accepted: list[socket.socket],
    troubles: Troubles,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = listen(told, accepted)
    troubles.next = [NO_DESCRIPTOR, OSError(errno.EINVAL, "Invalid argument")] * 10
    connect(listener, 1, accepted)
    for _ in range(20):
        told.run_once(0)
        clock.advance(1)
    assert [record.getMessage().partition("now: ")[2] for record in caplog.records] == [
        "Too many open files",
        "Invalid argument",
    ]
    listener.close()


def test_a_reserve_that_could_not_be_had_is_taken_when_it_can(
    net: Reactor, accepted: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    sock = sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 100, False)
    clients: list[socket.socket] = []
    with no_descriptor_left():
        listener = Listener(net, sock, lambda sock, peer: accepted.append(sock))
    connect(listener, 1, clients)
    run_until(net, lambda: accepted)
    connect(listener, 1, clients)
    with no_descriptor_left():
        net.run_once(1)
    assert listener.shed == 1
    with pytest.raises(ConnectionResetError):
        clients[1].recv(1)
    listener.close()
    accepted += clients


def test_who_gives_up_a_descriptor_lets_it_go_on_at_once(
    net: Reactor, accepted: list[socket.socket], troubles: Troubles, caplog: pytest.LogCaptureFixture
) -> None:
    given_up: list[int] = []

    def make_room() -> bool:
        given_up.append(1)
        return True

    sock = sockets.listen_on(socket.AF_INET, ("127.0.0.1", 0), 100, False)
    listener = Listener(net, sock, lambda sock, peer: accepted.append(sock), make_room=make_room)
    clients: list[socket.socket] = []
    connect(listener, 1, clients)
    troubles.next = [NO_DESCRIPTOR, NO_DESCRIPTOR]
    net.run_once(1)
    assert (len(accepted), len(given_up), listener.shed) == (1, 2, 0)
    assert caplog.records == []
    listener.close()
    accepted += clients


def test_a_listener_that_lets_go_leaves_the_socket(net: Reactor, accepted: list[socket.socket]) -> None:
    listener = listen(net, accepted)
    listener.let_go()
    listener.close()
    assert net.stats()["watched"] == 0
    assert listener._sock.getsockname() == listener.address
    listener._sock.close()


def test_closing_while_it_holds_off_cancels_the_retry(
    net: Reactor, accepted: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_fds(sock: socket.socket, take: sockets.Take) -> Any:
        raise sockets.OutOfDescriptors(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(sockets, "accept", out_of_fds)
    listener = listen(net, accepted)
    connect(listener, 1, accepted)
    run_until(net, lambda: net.stats()["timers"])
    listener.close()
    assert net.stats()["timers"] == 0
