"""The conformance suite, over every transport of this library and every selector."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import tls_contexts

from reactor import EventLoop, Limits, Protocol, Reactor
from reactor.testing import MemorySelector, check_transport, memory_pair
from reactor.testing.conformance import _THEMES, PROMISES, Maker
from reactor.transport.tls import TLS

SELECTORS: dict[str, Callable[[], Any]] = {
    "default": lambda: None,  # the loop's own, which looks at a bounded number of events a turn
    "epoll": selectors.EpollSelector,
    "poll": selectors.PollSelector,
    "select": selectors.SelectSelector,
}
NAME = "reactor.test"
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def contexts() -> Contexts:
    """The contexts of a server and of a client that trusts it."""
    return tls_contexts(NAME)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Unix sockets are: one folder for all, since making and removing one takes longer than most promises."""
    return tmp_path_factory.mktemp("sockets")


def tcp(selector: Callable[[], Any], host: str, contexts: Contexts | None = None, swapped: bool = False) -> Maker:
    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        server_tls, client_tls = contexts or (None, None)
        caller, called = (other, one) if swapped else (one, other)
        name = None if contexts is None else NAME
        with Reactor(selector()) as net:
            server = net.listen_tcp(lambda: called, host, 0, tls=server_tls, limits=limits)
            port = server.addresses[0][1]
            net.connect_tcp(lambda: caller, host, port, tls=client_tls, server_hostname=name, limits=limits)
            yield net

    return make


def unix(selector: Callable[[], Any], path: Path, contexts: Contexts | None = None) -> Maker:
    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        server_tls, client_tls = contexts or (None, None)
        name = None if contexts is None else NAME
        with Reactor(selector()) as net:
            net.listen_unix(lambda: other, path, tls=server_tls, limits=limits)
            net.connect_unix(lambda: one, path, tls=client_tls, server_hostname=name, limits=limits)
            yield net

    return make


def memory(contexts: Contexts | None = None, capacity: int = 1000) -> Maker:
    @contextmanager
    def make(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        filters: tuple[TLS | None, TLS | None] = (None, None)
        if contexts is not None:
            filters = TLS(contexts[1], False, NAME), TLS(contexts[0], True, None)
        with EventLoop(MemorySelector()) as loop:
            both = memory_pair(loop, one, other, limits=limits, capacity=capacity, tls=filters)
            try:
                yield loop
            finally:
                for each in both:
                    each.abort()
                loop.run_once(0)

    return make


KINDS = [  # a selector can't tell TCP from Unix sockets, nor who dialled
    *(f"{kind}-default" for kind in ("tcp4", "tcp6", "unix", "tls", "tls_accepted", "tls_unix")),
    *(f"{kind}-{selector}" for kind in ("tcp4", "tls_accepted") for selector in SELECTORS if selector != "default"),
    "memory",
    "memory_small",
    "memory_tls",
    "memory_tls_small",
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a promise that is broken on purpose be broken soon."""
    monkeypatch.setattr("reactor.testing.conformance_stage._PATIENCE", 0.2)


@pytest.fixture(params=KINDS)
def maker(request: pytest.FixtureRequest, contexts: Contexts, folder: Path) -> Maker:
    kind, _, name = request.param.partition("-")
    selector = SELECTORS.get(name, MemorySelector)
    if kind == "tcp6" and not has_ipv6():
        pytest.skip("this machine has no ::1 to listen on")
    makers: dict[str, Callable[[], Maker]] = {
        "tcp4": lambda: tcp(selector, "127.0.0.1"),
        "tcp6": lambda: tcp(selector, "::1"),
        "unix": lambda: unix(selector, folder / "socket"),
        "tls": lambda: tcp(selector, "127.0.0.1", contexts),
        "tls_accepted": lambda: tcp(selector, "127.0.0.1", contexts, swapped=True),
        "tls_unix": lambda: unix(selector, folder / "socket", contexts),
        "memory": lambda: memory(capacity=256 * 1024),
        "memory_small": lambda: memory(capacity=64 * 1024 - 1),
        "memory_tls": lambda: memory(contexts, capacity=256 * 1024),
        "memory_tls_small": lambda: memory(contexts, capacity=1000),
    }
    return makers[kind]()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("number", PROMISES, ids=lambda number: f"{number}_{PROMISES[number].check.__name__}")
def test_a_transport_keeps_its_promise(maker: Maker, number: int) -> None:
    check_transport(maker, only=[number])


# --- the suite itself


def test_every_promise_is_one_sentence_with_a_number_of_its_own() -> None:
    assert all(each.sentence.endswith(".") and "\n" not in each.sentence for each in PROMISES.values())
    written = [each.number for theme in _THEMES for each in theme.PROMISES]
    assert sorted(PROMISES) == sorted(written)
    assert len(PROMISES) > 40


def test_all_promises_are_checked_unless_some_are_named() -> None:
    check_transport(memory(capacity=256 * 1024))


def test_a_broken_promise_is_named_by_its_number_and_its_sentence(impatient: None) -> None:
    @contextmanager
    def forgetful(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with memory()(one, other, limits) as loop:
            one.data_received = lambda data: None
            yield loop

    with pytest.raises(AssertionError, match=r"promise 12 is broken: What the peer sends at once .* it never came"):
        check_transport(forgetful, only=[12])


def test_a_callback_too_many_is_seen_whatever_the_promise() -> None:
    @contextmanager
    def twice(one: Any, other: Any, limits: Limits) -> Iterator[EventLoop]:
        with memory()(one, other, limits) as loop:
            lost = one.connection_lost
            one.connection_lost = lambda exc: (lost(exc), lost(exc))
            yield loop

    with pytest.raises(AssertionError, match="connection_lost came after connection_lost"):
        check_transport(twice, only=[52])


def test_a_maker_that_fails_breaks_the_promise_too() -> None:
    @contextmanager
    def fails(one: Protocol, other: Protocol, limits: Limits) -> Iterator[EventLoop]:
        raise OSError("no network")
        yield

    with pytest.raises(AssertionError, match=r"promise 11 is broken: .* no network"):
        check_transport(fails, only=[11])
