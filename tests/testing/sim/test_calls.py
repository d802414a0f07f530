"""SimCalls: what would be done in a thread is done at a told time."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from reactor.testing import SimNetwork


def test_a_call_is_done_when_its_time_has_passed(network: SimNetwork) -> None:
    host = network.host("one")
    host.thread_time = 5.0
    done: list[tuple[float, Any]] = []
    host.reactor.run_in_thread(sum, [1, 2], on_done=lambda future: done.append((network.time, future.result())))
    network.run(4.9)
    assert done == []
    network.run(1)
    assert done == [(pytest.approx(5.0), 3)]


def test_what_it_raises_is_in_the_future(network: SimNetwork) -> None:
    failed: list[Any] = []
    network.host("one").reactor.run_in_thread(int, "x", on_done=lambda future: failed.append(future.exception()))
    network.run(1)
    assert isinstance(failed[0], ValueError)


def test_what_nobody_asks_for_fails_the_run(network: SimNetwork) -> None:
    network.host("one").reactor.run_in_thread(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        network.run(1)


def test_a_host_that_stands_still_makes_no_call_and_one_that_is_gone_never_does(network: SimNetwork) -> None:
    called: list[str] = []
    host, other = network.host("one"), network.host("other")
    host.reactor.run_in_thread(called.append, "one")
    future: Future[Any] = other.reactor.run_in_thread(called.append, "other")
    host.freeze(3)
    other.crash()
    network.run(2)
    assert called == []
    network.run(2)
    assert called == ["one"]
    assert future.cancelled()
