"""SimFile: what a closed socket says, and how the log calls an open one."""

from __future__ import annotations

import errno
import socket

import pytest

from reactor.testing import SimNetwork


def test_what_is_closed_is_closed(network: SimNetwork) -> None:
    sock = network.host("one").machine.socket(socket.AF_INET, socket.SOCK_STREAM)
    assert sock.getsockname() == ("0.0.0.0", 0)
    with pytest.raises(OSError, match=r"not connected"):
        sock.getpeername()
    sock.close()
    for use in (sock.getsockname, sock.getpeername, lambda: sock.send(b"x"), lambda: sock.setblocking(False)):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            use()
        assert caught.value.errno == errno.EBADF


def test_an_option_that_is_not_there_is_refused_and_a_harmless_one_taken(network: SimNetwork) -> None:
    sock = network.host("one").machine.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with pytest.raises(OSError, match="Protocol not available"):
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)


def test_it_is_called_by_its_host_and_port(network: SimNetwork) -> None:
    sock = network.host("one").machine.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("10.0.0.1", 80))
    assert repr(sock) == "<SimSocket one:80>"
