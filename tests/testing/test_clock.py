"""ManualClock: it moves when it is told, and a loop on it fires what that makes due."""

from reactor import EventLoop
from reactor.testing import ManualClock


def test_it_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(5.0)
    assert [clock(), clock()] == [5.0, 5.0]
    clock.advance(2.5)
    assert clock() == clock.now == 7.5


def test_a_timer_fires_when_its_time_has_been_told_and_not_before(loop: EventLoop, clock: ManualClock) -> None:
    fired: list[float] = []
    loop.call_later(10, lambda: fired.append(loop.time()))
    clock.advance(9.999)
    loop.run_once(0)
    assert fired == []
    clock.advance(0.001)
    loop.run_once(0)
    assert fired == [1010.0]


def test_hours_pass_at_once(loop: EventLoop, clock: ManualClock) -> None:
    fired: list[int] = []
    loop.call_every(3600, lambda: fired.append(1))
    for _ in range(24):
        clock.advance(3600)
        loop.run_once(0)
    assert len(fired) == 24
