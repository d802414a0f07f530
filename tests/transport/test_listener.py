"""Listener: takes new connections, some at a time, and holds off when it can't."""

import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from helpers import run_until

from reactor import Reactor
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

    def out_of_fds(sock: socket.socket) -> Any:
        calls.append(sock)
        if len(calls) < 4:
            raise sockets.OutOfDescriptors(errno.EMFILE, "Too many open files")
        return accept(sock)

    monkeypatch.setattr(sockets, "accept", out_of_fds)
    monkeypatch.setattr(sockets, "refuse", lambda sock: False)
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


def test_closing_while_it_holds_off_cancels_the_retry(
    net: Reactor, accepted: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_fds(sock: socket.socket) -> Any:
        raise sockets.OutOfDescriptors(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(sockets, "accept", out_of_fds)
    listener = listen(net, accepted)
    connect(listener, 1, accepted)
    run_until(net, lambda: net.stats()["timers"])
    listener.close()
    assert net.stats()["timers"] == 0
