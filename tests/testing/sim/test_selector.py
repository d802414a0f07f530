"""SimSelector: who is ready, in the order in which they became so."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.testing.sim.selector import SimSelector, SimWaker


class File:
    selector: Any = None
    mask = 0

    def readiness(self, events: int = 3) -> int:
        return self.mask & events

    def become(self, mask: int) -> None:
        self.mask = mask
        self.selector.mark(self)


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def selector(woken: list[str]) -> SimSelector:
    return SimSelector(lambda: woken.append("woken"))


def ready(selector: SimSelector) -> list[tuple[Any, int]]:
    return [(key.fileobj, mask) for key, mask in selector.select(0)]


def test_who_became_ready_first_is_first(selector: SimSelector) -> None:
    files = [File() for _ in range(3)]
    for file in files:
        selector.register(file, 3)
    for file in reversed(files):
        file.become(1)
    assert ready(selector) == [(file, 1) for file in reversed(files)]


def test_what_is_not_taken_stays_ready(selector: SimSelector) -> None:
    file = File()
    selector.register(file, 1)
    file.become(3)
    assert ready(selector) == ready(selector) == [(file, 1)]
    assert selector.has_ready()
    file.mask = 2
    assert not selector.has_ready()
    assert ready(selector) == []


def test_it_wakes_for_what_somebody_is_interested_in(selector: SimSelector, woken: list[str]) -> None:
    file = File()
    selector.register(file, 2)
    file.become(1)
    assert woken == []
    selector.modify(file, 1)
    assert woken == ["woken"]
    assert ready(selector) == [(file, 1)]


def test_it_knows_no_file_twice_and_none_that_was_let_go(selector: SimSelector) -> None:
    file = File()
    key = selector.register(file, 1, "data")
    assert selector.get_map().get(file) is key
    with pytest.raises(KeyError, match="already registered"):
        selector.register(file, 1)
    with pytest.raises(ValueError, match="no interest"):
        selector.register(File(), 0)
    selector.unregister(file)
    assert file.selector is None
    assert ready(selector) == []


def test_a_bell_is_ready_while_it_rings(selector: SimSelector, woken: list[str]) -> None:
    bell = SimWaker()
    selector.register(bell, 1)
    bell.wake()
    bell.wake()
    assert (woken, bell.rings, ready(selector)) == (["woken"], 1, [(bell, 1)])
    bell.drain()
    assert ready(selector) == []
    assert bell.fileno() == bell.signal_fd() == -1
    bell.close()
    bell.wake()
    selector.close()
    assert not selector.get_map()
