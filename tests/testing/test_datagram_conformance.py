"""The promises of a datagram transport hold over UDP, Unix sockets and in memory, connected and not, on both twins."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testing.test_conformance import has_ipv6

from reactor import EventLoop, Limits, Reactor
from reactor.testing import MemorySelector, check_datagrams, memory_datagram_pair
from reactor.testing.conformance_datagrams import PROMISES, DatagramMaker


def bound(host: str) -> DatagramMaker:
    """Neither is connected."""

    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with Reactor() as net:
            one.to, other.to = (
                net.bind_udp(lambda each=each: each, host, 0, limits=limits).get_extra_info("sockname")
                for each in (other, one)
            )
            yield net

    return make


def dialled(host: str) -> DatagramMaker:
    """One is connected."""

    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with Reactor() as net:
            address = net.bind_udp(lambda: other, host, 0, limits=limits).get_extra_info("sockname")
            net.connect_udp(lambda: one, host, address[1], limits=limits)
            other.to = one.transport.get_extra_info("sockname")
            yield net

    return make


def unix_pair() -> DatagramMaker:
    """Both are."""

    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        socks = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with Reactor() as net:
            for sock, each in zip(socks, (one, other), strict=True):
                net.connect_udp(lambda each=each: each, "", 0, sock=sock, limits=limits)
            yield net

    return make


def unix_bound(folder: Path) -> DatagramMaker:
    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with Reactor() as net:
            for name, each, peer in (("one", one, other), ("other", other, one)):
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                peer.to = str(folder / name)
                Path(peer.to).unlink(missing_ok=True)
                sock.bind(peer.to)
                net.bind_udp(lambda each=each: each, None, 0, sock=sock, limits=limits)
            yield net

    return make


def memory() -> DatagramMaker:
    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with EventLoop(MemorySelector()) as loop:
            both = memory_datagram_pair(loop, one, other, limits=limits)
            try:
                yield loop
            finally:
                for each in both:
                    each.abort()
                loop.run_once(0)

    return make


@pytest.fixture(params=["udp4", "udp4_connected", "udp6", "udp6_connected", "unix", "unix_connected", "memory"])
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> DatagramMaker:
    if request.param.startswith("udp6") and not has_ipv6():
        pytest.skip("this machine has no ::1")
    makers: dict[str, Callable[[], DatagramMaker]] = {
        "udp4": lambda: bound("127.0.0.1"),
        "udp4_connected": lambda: dialled("127.0.0.1"),
        "udp6": lambda: bound("::1"),
        "udp6_connected": lambda: dialled("::1"),
        "unix": lambda: unix_bound(tmp_path),
        "unix_connected": unix_pair,
        "memory": memory,
    }
    return makers[request.param]()


@pytest.mark.parametrize("number", PROMISES, ids=lambda number: f"{number}_{PROMISES[number].check.__name__}")
def test_a_datagram_transport_keeps_its_promise(maker: DatagramMaker, mechanism: str, number: int) -> None:
    check_datagrams(maker, only=[number])
