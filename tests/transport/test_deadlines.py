"""Deadlines: many waits, one timer."""

from reactor import ConnectionTimeout, EventLoop
from reactor.testing import ManualClock
from reactor.transport.deadlines import Deadlines


class Owner:
    """Writes down what it is told. `excused`: the waits that aren't over yet, whatever the clock says."""

    def __init__(self, told: list[ConnectionTimeout]) -> None:
        self.told = told
        self.excused: list[str] = []

    def excuses(self, wait: str) -> bool:
        return wait in self.excused and not self.excused.remove(wait)  # type: ignore[func-returns-value]

    def timed_out(self, wait: str, exc: ConnectionTimeout) -> None:
        self.told.append(exc)


def turns(loop: EventLoop) -> None:
    """Make the turn that finds a wait over, and the one behind whose look it is judged."""
    loop.run_once(0)
    loop.run_once(0)


def test_the_first_wait_that_runs_out_is_told_by_name(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("idle_timeout", 10)
    deadlines.start("frame_timeout", 5)
    clock.advance(5)
    turns(loop)
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
    loop.run_once(0)
    assert loop.stats()["timers"] == 1
    assert loop.stats()["timers_run"] <= 12, "one look in 9 or 10 seconds, not one a start"
    clock.advance(9)
    turns(loop)
    assert len(told) == 1


def test_a_stopped_wait_never_runs_out(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("frame_timeout", 5)
    assert "frame_timeout" in deadlines
    deadlines.stop("frame_timeout")
    deadlines.stop("frame_timeout")
    clock.advance(100)
    turns(loop)
    assert told == []
    assert "idle_timeout" not in deadlines


def test_a_shorter_wait_begun_later_comes_in_time(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("idle_timeout", 100)
    clock.advance(1)
    deadlines.start("close_timeout", 2)
    clock.advance(2)
    turns(loop)
    assert len(told) == 1
    deadlines.close()
    clock.advance(1000)
    turns(loop)
    assert len(told) == 1


def test_a_wait_that_is_excused_is_judged_behind_the_next_look(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    owner = Owner(told)
    deadlines = Deadlines(loop, owner)
    owner.excused.append("frame_timeout")
    deadlines.start("frame_timeout", 5)
    clock.advance(5)
    turns(loop)
    assert told == []
    turns(loop)
    assert len(told) == 1
    deadlines.close()


def test_what_is_read_before_the_verdict_stops_the_wait(loop: EventLoop, clock: ManualClock) -> None:
    told: list[ConnectionTimeout] = []
    deadlines = Deadlines(loop, Owner(told))
    deadlines.start("frame_timeout", 5)
    clock.advance(5)
    loop.run_once(0)
    deadlines.stop("frame_timeout")
    turns(loop)
    assert told == []
