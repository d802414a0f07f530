"""The conformance suite over simulated sockets: what a transport promises holds there, too, whatever the cuts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from helpers import tls_contexts

from reactor import Limits
from reactor.testing import SimNetwork, check_transport
from reactor.testing.conformance import PROMISES, Maker

_CLOCK = {59}  # it waits by the real clock, while hours pass here
NUMBERS = [number for number in PROMISES if number not in _CLOCK]
_AT_ONCE = {26, 64}  # they take it that what is written at once is read at once
_STEP = 0.001  # seconds of the network's, for a turn that doesn't wait


class Stepped:
    """The loop of one host, which lets its network's time pass when a turn is asked for."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network
        self._reactor = network.host("one").reactor
        self._stopped = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def run_once(self, timeout: float | None = None) -> None:
        self._network.run(timeout or _STEP)

    def run(self) -> None:
        self._network.run_until(lambda: self._stopped)
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return tls_contexts("one")


@pytest.fixture(params=["tcp", "unix", "tls", "tcp_in_pieces"])
def maker(request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Maker:
    server_tls, client_tls = contexts if request.param == "tls" else (None, None)

    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[Any]:
        with SimNetwork(1) as network:
            loop = Stepped(network)
            if request.param == "tcp_in_pieces":
                network.way("one", "one").set(cuts=0.7, jitter=0.0002, buffer=50_000)
            if request.param == "unix":
                loop.listen_unix(lambda: other, "/socket", limits=limits)
                loop.connect_unix(lambda: one, "/socket", limits=limits)
            else:
                loop.listen_tcp(lambda: other, "one", 9, tls=server_tls, limits=limits)
                loop.connect_tcp(lambda: one, "one", 9, tls=client_tls, limits=limits)
            yield loop
            loop.close()

    return make


@pytest.mark.parametrize(
    "number",
    [each for each in PROMISES if each not in _CLOCK],
    ids=lambda number: f"{number}_{PROMISES[number].check.__name__}",
)
def test_a_simulated_transport_keeps_its_promise(request: pytest.FixtureRequest, maker: Maker, number: int) -> None:
    if number in _AT_ONCE and "tcp_in_pieces" in request.node.name:
        return
    check_transport(maker, only=[number])
