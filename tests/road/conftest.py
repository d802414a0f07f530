"""One matrix: a test body runs over plain TCP, Unix sockets, TLS over TCP, and in memory, under each twin."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import trustme
from road.roads import MemoryRoad, Road, SealedRoad, UnixRoad

from reactor import Reactor
from reactor.testing import ManualClock, MemorySelector

Contexts = Callable[[], tuple[ssl.SSLContext, ssl.SSLContext]]
WITH_DOORS = ["tcp", "unix", "tls"]


@pytest.fixture(scope="session")
def authority() -> tuple[trustme.CA, trustme.LeafCert]:
    authority = trustme.CA()
    return authority, authority.issue_cert("localhost")


@pytest.fixture
def contexts(authority: tuple[trustme.CA, trustme.LeafCert]) -> Contexts:
    """Make the contexts of a server and of a client that trusts it."""

    def make() -> tuple[ssl.SSLContext, ssl.SSLContext]:
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority[1].configure_cert(server)
        authority[0].configure_trust(client)
        return server, client

    return make


def build(name: str, clock: ManualClock, contexts: Contexts) -> Any:
    if name == "memory":
        return MemoryRoad(Reactor(MemorySelector(), clock), clock)
    if name == "tls":
        return SealedRoad(Reactor(clock=clock), clock, *contexts())
    return (UnixRoad if name == "unix" else Road)(Reactor(clock=clock), clock)


def travelled(name: str, clock: ManualClock, contexts: Contexts) -> Iterator[Any]:
    road = build(name, clock, contexts)
    try:
        yield road
    finally:
        road.close()


@pytest.fixture(params=[*WITH_DOORS, "memory"])
def road(request: pytest.FixtureRequest, twin: ModuleType, clock: ManualClock, contexts: Contexts) -> Iterator[Road]:
    """Every way there is between a connection of ours and a peer."""
    yield from travelled(request.param, clock, contexts)


@pytest.fixture(params=WITH_DOORS)
def door(request: pytest.FixtureRequest, twin: ModuleType, clock: ManualClock, contexts: Contexts) -> Iterator[Road]:
    """The roads on which servers listen and clients connect."""
    yield from travelled(request.param, clock, contexts)


@pytest.fixture
def sealed(twin: ModuleType, clock: ManualClock, contexts: Contexts) -> Iterator[SealedRoad]:
    """TLS alone."""
    yield from travelled("tls", clock, contexts)


@pytest.fixture
def plain(twin: ModuleType, clock: ManualClock, contexts: Contexts) -> Iterator[Road]:
    """TCP alone, for what begins there."""
    yield from travelled("tcp", clock, contexts)
