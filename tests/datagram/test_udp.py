"""Sockets for datagrams: their addresses, and what their errors mean."""

from __future__ import annotations

import errno
import socket

import pytest

from reactor.transport import udp
from reactor.transport.resolver import Endpoint

LOCAL = "127.0.0.1"


def test_an_address_that_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = [Endpoint(socket.AF_INET, ("203.0.113.1", 0)), Endpoint(socket.AF_INET, (LOCAL, 0))]
    monkeypatch.setattr(udp, "resolve_now", lambda *args, **named: endpoints)
    with udp.bind("a.name", 0, False, False) as sock:
        assert sock.getsockname()[0] == LOCAL


def test_where_no_address_is_there_all_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = [Endpoint(socket.AF_INET, (f"203.0.113.{each}", 0)) for each in (1, 2)]
    monkeypatch.setattr(udp, "resolve_now", lambda *args, **named: endpoints)
    with pytest.raises(OSError, match=r"203\.0\.113\.1.*203\.0\.113\.2"):
        udp.bind("a.name", 0, False, False)


def test_connecting_takes_the_first_address_to_which_there_is_a_way() -> None:
    broadcast = Endpoint(socket.AF_INET, ("255.255.255.255", 9))  # not without asking
    with udp.connect([broadcast, Endpoint(socket.AF_INET, (LOCAL, 9))], False) as sock:
        assert sock.getpeername() == (LOCAL, 9)
    with pytest.raises(PermissionError, match=r"can't connect to 255\.255\.255\.255:9"):
        udp.connect([broadcast], False)
    with udp.connect([broadcast], True) as sock:
        assert sock.getpeername() == ("255.255.255.255", 9)


@pytest.mark.parametrize(
    ("family", "addr", "wanted"),
    [
        (socket.AF_INET, (LOCAL, 9), (LOCAL, 9)),
        (socket.AF_INET, ("<broadcast>", 9), ("255.255.255.255", 9)),
        (socket.AF_INET6, ("::1", 9), ("::1", 9)),
        (socket.AF_INET6, ("::1", 9, 0, 0), ("::1", 9, 0, 0)),
        (socket.AF_UNIX, "/path", "/path"),
        (socket.AF_UNIX, b"\0name", b"\0name"),
    ],
)
def test_a_receiver_is_what_a_socket_takes(family: int, addr: object, wanted: object) -> None:
    assert udp.destination(family, addr) == wanted


def test_a_zone_becomes_a_number() -> None:
    name = socket.if_nameindex()[0][1]
    host, port, _, scope = udp.destination(socket.AF_INET6, (f"fe80::1%{name}", 9))
    assert (host, port, scope) == ("fe80::1", 9, socket.if_nametoindex(name))


@pytest.mark.parametrize(
    ("code", "full", "gone", "own"),
    [
        (errno.EAGAIN, True, False, False),
        (errno.ENOBUFS, True, False, False),
        (errno.EBADF, False, True, False),
        (errno.EMSGSIZE, False, False, True),
        (errno.ECONNREFUSED, False, False, False),
    ],
)
def test_an_error_means_one_thing(code: int, full: bool, gone: bool, own: bool) -> None:
    exc = OSError(code, "")
    assert (udp.is_full(exc), udp.is_gone(exc), udp.is_its_own(exc)) == (full, gone, own)


def test_nothing_was_missed_where_nobody_can_tell() -> None:
    with socket.socket() as sock:
        sock.close()
        assert udp.missed(sock) == 0


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Windows' Python has no Unix sockets")
def test_no_datagram_is_taken_for_an_error() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        other.send(b"no error")
        assert udp.take_errors(one) == []
        assert one.recv(100) == b"no error"
