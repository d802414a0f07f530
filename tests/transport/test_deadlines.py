"""Deadlines: many waits, one timer."""

from reactor import ConnectionTimeout, EventLoop
from reactor.testing import ManualClock
from reactor.transport.deadlines import Deadlines


class Owner:
    """Writes down what it is told."""

    def __init__(self, told: list[ConnectionTimeout]) -> None:
        self.timed_out = told.append


def test_the_first_wait_that_runs_out_is_told_by_name(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("idle_timeout", 10)
    deadlines.start("frame_timeout", 5)
    clock.advance(5)
    loop.run_once(0)
    assert [str(each) for each in told] == ["a frame was begun and not completed for 5 s, which is frame_timeout"]
    deadlines.close()


def test_a_wait_begun_anew_runs_from_then_on_without_another_timer(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    for _ in range(100):
        deadlines.start("idle_timeout", 10)
        clock.advance(1)
        loop.run_once(0)
    assert told == []
    assert loop.stats()["timers"] == 1
    assert loop.stats()["timers_run"] <= 12, "one look in 9 or 10 seconds, not one a start"
    clock.advance(9)
    loop.run_once(0)
    assert len(told) == 1


def test_a_stopped_wait_never_runs_out(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("frame_timeout", 5)
    assert "frame_timeout" in deadlines
    deadlines.stop("frame_timeout")
    deadlines.stop("frame_timeout")
    deadlines.start("idle_timeout", None)
    clock.advance(100)
    loop.run_once(0)
    assert told == []
    assert "idle_timeout" not in deadlines


def test_a_shorter_wait_begun_later_comes_in_time(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("idle_timeout", 100)
    clock.advance(1)
    deadlines.start("close_timeout", 2)
    clock.advance(2)
    loop.run_once(0)
    assert len(told) == 1
    deadlines.close()
    clock.advance(1000)
    loop.run_once(0)
    assert len(told) == 1
