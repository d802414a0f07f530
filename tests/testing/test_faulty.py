"""FaultyMachine: real sockets whose calls fail or fall short, on both twins."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from helpers import Echo, FrameRecorder, run_until

from reactor import Backoff, DatagramProtocol, Reactor
from reactor.testing import FaultyMachine, FaultySelector


@pytest.fixture
def machine() -> FaultyMachine:
    return FaultyMachine()


@pytest.fixture
def net(twin: ModuleType, machine: FaultyMachine) -> Iterator[Reactor]:
    with Reactor(FaultySelector()) as net:
        net.machine = machine
        yield net


def connect(net: Reactor, echo: type[Echo], **options: Any) -> FrameRecorder:
    asks = FrameRecorder()
    address = net.listen_tcp(echo, "127.0.0.1", 0).addresses[0]
    net.connect_tcp(lambda: asks, *address, **options)
    return asks


def test_what_is_not_scripted_is_the_kernels(net: Reactor, echo: type[Echo], machine: FaultyMachine) -> None:
    asks = connect(net, echo)
    run_until(net, lambda: asks.made)
    asks.send(bytes(300_000))
    run_until(net, lambda: asks.messages)
    assert asks.messages == [bytes(300_000)]
    assert machine.calls["socket"] == 2
    asks.transport.close()
    run_until(net, lambda: asks.ended and echo.made_here[0].ended)
    assert (asks.lost, echo.made_here[0].lost) == (None, None)


def test_short_sends_and_reads_lose_nothing(net: Reactor, echo: type[Echo], machine: FaultyMachine) -> None:
    asks = connect(net, echo)
    run_until(net, lambda: asks.made)
    machine.shorten("send", *[1, 2, 3] * 20)
    machine.shorten("recv", *[1, 2] * 20)
    for number in range(30):
        asks.send(b"%d" % number)
    run_until(net, lambda: len(asks.messages) == 30)
    assert asks.messages == [b"%d" % number for number in range(30)]


@pytest.mark.parametrize("name", ["send", "recv"])
def test_an_error_ends_the_connection_that_meets_it(
    net: Reactor, echo: type[Echo], machine: FaultyMachine, name: str
) -> None:
    asks = connect(net, echo)
    run_until(net, lambda: asks.made)
    machine.fail(name, errno.EHOSTUNREACH)
    asks.send(b"hello")
    run_until(net, lambda: asks.ended or (echo.made_here and echo.made_here[0].ended))
    causes = [each.lost for each in (asks, *echo.made_here) if each.ended]
    assert [cause.errno for cause in causes if isinstance(cause, OSError)][:1] == [errno.EHOSTUNREACH]


def test_no_descriptor_for_a_try_is_one_failure(net: Reactor, echo: type[Echo], machine: FaultyMachine) -> None:
    machine.fail("socket", errno.EMFILE, after=1, times=2)
    machine.fail("connect", errno.ENETUNREACH)
    asks = connect(net, echo, retry=Backoff(initial=0.01))
    run_until(net, lambda: asks.made)
    assert machine.calls["socket"] == 1 + 2 + 2
    assert machine.calls["connect"] == 2


def test_who_cannot_be_accepted_now_is_accepted_later(net: Reactor, echo: type[Echo], machine: FaultyMachine) -> None:
    machine.fail("accept", errno.ECONNABORTED, times=3)
    asks = connect(net, echo)
    run_until(net, lambda: echo.made_here and asks.made)
    assert machine.calls["accept"] >= 4


def test_a_name_that_cannot_be_looked_up(net: Reactor, machine: FaultyMachine) -> None:
    failures: list[Any] = []
    machine.fail("getaddrinfo", errno.EIO)
    net.connect_tcp(FrameRecorder, "localhost", 1, on_failure=failures.append)
    run_until(net, lambda: failures)
    assert failures[0].errno == errno.EIO


def test_datagrams_fail_one_by_one(net: Reactor, machine: FaultyMachine) -> None:
    class Collects(DatagramProtocol):
        def __init__(self) -> None:
            self.came: list[bytes] = []
            self.errors: list[Exception] = []

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.came.append(data)

        def error_received(self, exc: Exception) -> None:
            self.errors.append(exc)

    one, other = Collects(), Collects()
    here = net.bind_udp(lambda: one, "127.0.0.1", 0)
    there = net.bind_udp(lambda: other, "127.0.0.1", 0)
    machine.fail("send", errno.EMSGSIZE, after=1)
    for data in b"123":
        there.sendto(bytes([data]), here.get_extra_info("sockname"))
    run_until(net, lambda: len(one.came) == 2)
    assert one.came == [b"1", b"3"]
    assert [type(each) for each in other.errors] == [OSError]


def test_a_call_that_is_none_is_named(machine: FaultyMachine) -> None:
    with pytest.raises(ValueError, match="there is no call 'sned': socket, getaddrinfo"):
        machine.fail("sned", 1)
