"""The order of one turn, law 11: the tests of each number of the list in docs/design.md.

1 poll, 2 fd callbacks, 3 due timers, 4 the ready queue as it stood, 5 this turn's writes leave, 6 calls behind a full
look, 7 deferred closes.
"""

import selectors
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from reactor import EventLoop
from reactor.loop import poller
from reactor.testing import ManualClock


class Turn:
    """A loop whose calls, its poll among them, are written down in order."""

    def __init__(self, clock: ManualClock, sock: socket.socket, peer: socket.socket) -> None:
        self.log: list[str] = []
        self.timeouts: list[float | None] = []
        self.while_polling: list[Callable[[], object]] = []
        self.sock, self.peer = sock, peer
        turn = self

        class Noting(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                turn.log.append("poll")
                turn.timeouts.append(timeout)
                for each in turn.while_polling:
                    each()
                return super().select(0)

        self.loop = EventLoop(Noting(), clock)

    def note(self, name: str) -> Callable[[], None]:
        return lambda: self.log.append(name)

    def on_read(self, then: Callable[[], object]) -> None:
        """Do something when the socket is readable, which it now is; once."""

        def read() -> None:
            self.sock.recv(1)
            self.log.append("fd")
            then()

        self.loop.add_reader(self.sock, read)
        self.peer.send(b"x")

    def on_timer(self, then: Callable[[], object]) -> None:
        self.loop.call_later(0, lambda: (self.log.append("timer"), then()))

    def on_ready(self, then: Callable[[], object]) -> None:
        self.loop.call_soon(lambda: (self.log.append("ready"), then()))

    def make(self) -> list[str]:
        """Make one turn; return what happened in it."""
        self.log.clear()
        self.loop.run_once()
        return list(self.log)


@pytest.fixture
def turn(clock: ManualClock, pair: tuple[socket.socket, socket.socket]) -> Iterator[Turn]:
    turn = Turn(clock, *pair)
    yield turn
    turn.loop.close()


def nothing() -> None:
    """What a callback does that only has to be noted."""


def test_a_turn_in_full(turn: Turn) -> None:
    def finish() -> None:
        turn.loop.defer_close(turn.note("close"))
        turn.loop.defer_flush(turn.note("flush"))

    turn.loop.call_after_look(turn.note("looked"))
    turn.on_ready(nothing)
    turn.on_timer(nothing)
    turn.on_read(finish)
    assert turn.make() == ["poll", "fd", "timer", "ready", "flush", "looked", "close"]


# --- 1: poll


def test_1_the_poll_comes_before_every_callback(turn: Turn) -> None:
    turn.on_ready(nothing)
    turn.on_timer(nothing)
    turn.on_read(nothing)
    assert turn.make()[0] == "poll"


def test_1_there_is_one_poll_in_a_turn(turn: Turn) -> None:
    turn.on_ready(lambda: turn.loop.call_soon(nothing))
    turn.on_timer(lambda: turn.loop.call_later(0, nothing))
    assert turn.make().count("poll") == 1


def test_1_what_was_deferred_outside_a_turn_leaves_before_the_poll(turn: Turn) -> None:
    turn.loop.defer_close(turn.note("close"))
    turn.loop.defer_flush(turn.note("flush"))
    assert turn.make() == ["flush", "close", "poll"]
    assert turn.make() == ["poll"]


def test_1_what_is_left_by_a_turn_that_was_interrupted_leaves_before_the_next_poll(turn: Turn) -> None:
    def interrupt() -> None:
        turn.loop.defer_close(turn.note("close"))
        turn.loop.defer_flush(turn.note("flush"))
        raise KeyboardInterrupt

    turn.on_ready(interrupt)
    with pytest.raises(KeyboardInterrupt):
        turn.make()
    assert turn.make() == ["flush", "close", "poll"]


def test_1_the_poll_waits_for_good_when_nothing_is_to_come(turn: Turn) -> None:
    turn.make()
    assert turn.timeouts == [None]


def test_1_the_poll_waits_no_longer_than_until_the_first_timer(turn: Turn) -> None:
    turn.loop.call_later(30, nothing)
    turn.loop.call_later(20, nothing)
    turn.loop.call_later(10, nothing).cancel()
    turn.make()
    assert turn.timeouts == [20]


def test_1_the_poll_waits_no_longer_than_it_is_asked_to(turn: Turn) -> None:
    turn.loop.run_once(5)
    turn.loop.call_later(30, nothing)
    turn.loop.run_once(5)
    turn.loop.run_once(40)
    turn.loop.run_once(-1)
    assert turn.timeouts == [5, 5, 30, 0]


def test_1_the_poll_waits_in_portions_for_a_timer_that_is_years_away(turn: Turn) -> None:
    turn.loop.call_later(1e12, nothing)
    turn.loop.run_once()
    assert turn.timeouts[0] is not None
    assert 0 < turn.timeouts[0] <= 24 * 3600


@pytest.mark.parametrize("what", ["call_soon", "call_soon_threadsafe", "call_after_look", "defer_flush", "defer_close"])
def test_1_the_poll_doesnt_wait_while_something_is_to_be_done(turn: Turn, what: str) -> None:
    turn.on_ready(lambda: getattr(turn.loop, what)(nothing))
    getattr(turn.loop, what)(nothing)
    turn.make()
    turn.loop.call_soon(nothing)
    turn.make()
    assert turn.timeouts == [0, 0]


def test_1_the_poll_doesnt_wait_for_a_timer_that_is_due(turn: Turn, clock: ManualClock) -> None:
    turn.loop.call_later(1, nothing)
    clock.advance(2)
    turn.make()
    assert turn.timeouts == [0]


def test_1_the_poll_doesnt_wait_once_the_loop_was_stopped(turn: Turn) -> None:
    turn.loop.stop()
    turn.make()
    assert turn.timeouts == [0]


# --- 2: fd callbacks


def test_2_fd_callbacks_come_right_after_the_poll(turn: Turn) -> None:
    turn.on_ready(nothing)
    turn.on_timer(nothing)
    turn.on_read(nothing)
    assert turn.make()[:2] == ["poll", "fd"]


def test_2_reading_comes_before_writing(turn: Turn) -> None:
    turn.loop.add_writer(turn.sock, turn.note("write"))
    turn.on_read(nothing)
    assert turn.make() == ["poll", "fd", "write"]


def test_2_what_an_earlier_callback_of_this_turn_gave_up_is_not_called(turn: Turn) -> None:
    turn.loop.add_writer(turn.sock, pytest.fail, "a removed writer was called")
    turn.on_read(lambda: turn.loop.remove_writer(turn.sock))
    assert turn.make() == ["poll", "fd"]


def test_2_what_becomes_ready_after_the_poll_waits_for_the_next_turn(turn: Turn) -> None:
    turn.on_timer(lambda: turn.on_read(nothing))
    assert turn.make() == ["poll", "timer"]
    assert turn.make() == ["poll", "fd"]


# --- 3: due timers


def test_3_due_timers_come_after_the_fd_callbacks_and_before_the_ready_queue(turn: Turn) -> None:
    turn.on_ready(nothing)
    turn.on_timer(nothing)
    turn.on_read(nothing)
    assert turn.make() == ["poll", "fd", "timer", "ready"]


def test_3_a_timer_that_became_due_while_polling_runs_in_this_turn(turn: Turn, clock: ManualClock) -> None:
    turn.loop.call_later(5, turn.note("timer"))
    turn.while_polling.append(lambda: clock.advance(5))
    assert turn.make() == ["poll", "timer"]


def test_3_a_poll_that_returns_too_soon_makes_no_timer_early(turn: Turn, clock: ManualClock) -> None:
    turn.loop.call_later(5, turn.note("timer"))
    turn.while_polling.append(lambda: clock.advance(4.999))
    assert turn.make() == ["poll"]


def test_3_equal_deadlines_run_first_in_first_out(turn: Turn) -> None:
    for number in range(5):
        turn.loop.call_at(1000, turn.note(str(number)))
    assert turn.make() == ["poll", "0", "1", "2", "3", "4"]


def test_3_a_timer_that_an_fd_callback_cancels_doesnt_run_in_this_turn(turn: Turn) -> None:
    timer = turn.loop.call_later(0, pytest.fail, "a cancelled timer ran")
    turn.on_read(timer.cancel)
    assert turn.make() == ["poll", "fd"]


def test_3_a_timer_that_a_timer_sets_up_waits_for_the_next_turn(turn: Turn) -> None:
    turn.on_timer(lambda: turn.on_timer(nothing))
    assert turn.make() == ["poll", "timer"]
    assert turn.make() == ["poll", "timer"]


# --- 4: the ready queue as it stood


def test_4_the_ready_queue_runs_first_in_first_out(turn: Turn) -> None:
    for number in range(5):
        turn.loop.call_soon(turn.note(str(number)))
    assert turn.make() == ["poll", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize("way", ["on_read", "on_timer"])
def test_4_what_fd_callbacks_and_timers_queue_runs_in_this_turn(turn: Turn, way: str) -> None:
    getattr(turn, way)(lambda: turn.loop.call_soon(turn.note("queued")))
    assert turn.make()[-1] == "queued"


def test_4_what_a_ready_callback_queues_runs_in_the_next_turn(turn: Turn) -> None:
    turn.on_ready(lambda: turn.loop.call_soon(turn.note("queued")))
    turn.on_ready(nothing)
    assert turn.make() == ["poll", "ready", "ready"]
    assert turn.make() == ["poll", "queued"]


def test_4_a_callback_that_queues_itself_starves_nobody(turn: Turn) -> None:
    def again() -> None:
        turn.loop.call_soon(again)

    again()
    turn.on_timer(nothing)
    turn.on_read(nothing)
    assert turn.make() == ["poll", "fd", "timer"]


# --- 5: this turn's writes leave


@pytest.mark.parametrize("way", ["on_read", "on_timer", "on_ready"])
def test_5_writes_leave_after_the_ready_queue_wherever_they_come_from(turn: Turn, way: str) -> None:
    getattr(turn, way)(lambda: turn.loop.defer_flush(turn.note("flush")))
    turn.loop.call_soon(turn.note("last of the ready queue"))
    assert turn.make()[-2:] == ["last of the ready queue", "flush"]
    assert turn.make() == ["poll"]


def test_5_writes_leave_in_the_order_in_which_they_were_deferred(turn: Turn) -> None:
    turn.on_read(lambda: turn.loop.defer_flush(turn.note("first")))
    turn.on_timer(lambda: turn.loop.defer_flush(turn.note("second")))
    turn.on_ready(lambda: turn.loop.defer_flush(turn.note("third")))
    assert turn.make()[-3:] == ["first", "second", "third"]


def test_5_a_write_that_a_flush_brings_about_leaves_in_this_turn(turn: Turn) -> None:
    turn.on_ready(lambda: turn.loop.defer_flush(lambda: turn.loop.defer_flush(turn.note("flush"))))
    turn.on_ready(lambda: turn.loop.defer_close(turn.note("close")))
    assert turn.make() == ["poll", "ready", "ready", "flush", "close"]


def test_5_what_a_flush_queues_waits_for_the_next_turn(turn: Turn) -> None:
    turn.on_ready(lambda: turn.loop.defer_flush(lambda: turn.loop.call_soon(turn.note("queued"))))
    assert turn.make() == ["poll", "ready"]
    assert turn.make() == ["poll", "queued"]


# --- 6: calls behind a full look


class Crowd:
    """A loop whose looks are bounded to four files, and ten files that it watches."""

    BOUND, FILES = 4, 10

    def __init__(self, loop: EventLoop, stack: ExitStack) -> None:
        self.loop = loop
        self.log: list[str] = []
        self.drains = True  # else who is ready stays it
        self.leaves = False  # who was called
        self.peers = [self._watched(stack) for _ in range(self.FILES)]

    def _watched(self, stack: ExitStack) -> socket.socket:
        ours, peer = map(stack.enter_context, socket.socketpair())

        def read() -> None:
            if self.drains:
                ours.recv(1)
            if self.leaves:
                self.loop.remove_reader(ours)
            self.log.append("fd")

        self.loop.add_reader(ours, read)
        return peer

    def send(self, count: int = FILES) -> None:
        """Make so many files ready."""
        for peer in self.peers[:count]:
            peer.send(b"x")

    def ask(self, name: str = "looked") -> None:
        self.loop.call_after_look(self.log.append, name)

    def turn(self) -> list[str]:
        """Make one turn, which may wait for good; return what happened in it."""
        self.log.clear()
        self.loop.run_once()
        return list(self.log)


@pytest.fixture
def crowd(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    if sys.platform != "linux":
        pytest.skip("only epoll's looks have a bound")
    monkeypatch.setattr(poller, "_MOST_EVENTS", Crowd.BOUND)
    with ExitStack() as stack:
        yield Crowd(stack.enter_context(EventLoop(clock=clock)), stack)


def raiser(exc: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise exc

    return fail


@pytest.mark.parametrize("way", ["on_read", "on_timer", "on_ready"])
def test_6_a_call_comes_behind_the_writes_and_before_the_closes(turn: Turn, way: str) -> None:
    def finish() -> None:
        turn.loop.defer_close(turn.note("close"))
        turn.loop.defer_flush(turn.note("flush"))

    turn.loop.call_after_look(turn.note("looked"))
    getattr(turn, way)(finish)
    assert turn.make()[-3:] == ["flush", "looked", "close"]
    assert turn.make() == ["poll"]


@pytest.mark.parametrize("way", ["on_read", "on_timer", "on_ready"])
def test_6_what_is_asked_in_a_turn_waits_for_the_next_look(turn: Turn, way: str) -> None:
    getattr(turn, way)(lambda: turn.loop.call_after_look(turn.note("looked")))
    assert turn.make()[0] == "poll"
    assert "looked" not in turn.log
    assert turn.make() == ["poll", "looked"]


def test_6_the_poll_doesnt_wait_though_a_timer_is_far_and_a_wait_is_asked_for(turn: Turn) -> None:
    turn.loop.call_later(30, nothing)
    turn.loop.call_after_look(nothing)
    turn.loop.run_once(5)
    turn.loop.run_once(5)
    assert turn.timeouts == [0, 5]


def test_6_who_asks_again_waits_for_another_look(turn: Turn) -> None:
    def again() -> None:
        turn.log.append("looked")
        turn.loop.call_after_look(again)

    again()
    assert [turn.make(), turn.make()] == [["poll", "looked"], ["poll", "looked"]]


def test_6_calls_come_first_in_first_out(turn: Turn) -> None:
    for number in range(5):
        turn.loop.call_after_look(turn.note(str(number)))
    assert turn.make() == ["poll", "0", "1", "2", "3", "4"]


def test_6_a_cancelled_call_is_not_made(turn: Turn) -> None:
    turn.loop.call_after_look(pytest.fail, "a cancelled call was made").cancel()
    assert turn.make() == ["poll"]


def test_6_what_a_call_writes_and_closes_leaves_in_this_turn(turn: Turn) -> None:
    turn.loop.call_after_look(lambda: turn.loop.defer_flush(turn.note("flush")))
    assert turn.make() == ["poll", "flush"]
    turn.loop.call_after_look(lambda: turn.loop.defer_close(turn.note("close")))
    turn.loop.call_after_look(lambda: turn.loop.defer_flush(turn.note("flush")))
    assert turn.make() == ["poll", "flush", "close"]


def test_6_an_exception_is_reported_and_the_other_calls_are_made(turn: Turn) -> None:
    told: list[BaseException] = []
    turn.loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
    turn.loop.call_after_look(raiser(error := ValueError()))
    turn.loop.call_after_look(turn.note("looked"))
    assert turn.make() == ["poll", "looked"]
    assert told == [error]


def test_6_what_isnt_callable_is_refused_at_once(turn: Turn) -> None:
    with pytest.raises(TypeError):
        turn.loop.call_after_look("no callable")  # type: ignore[arg-type]
    turn.make()
    assert turn.timeouts == [None]


def test_6_all_that_was_ready_is_read_before_the_call(crowd: Crowd) -> None:
    crowd.send()
    crowd.ask()
    assert crowd.turn() == ["fd"] * 4
    assert crowd.turn() == ["fd"] * 4
    assert crowd.turn() == ["fd"] * 2 + ["looked"]


def test_6_a_timer_that_is_due_asks_and_all_that_came_in_time_is_read_first(crowd: Crowd, clock: ManualClock) -> None:
    crowd.loop.call_later(1, crowd.ask)
    crowd.send()
    clock.advance(10)  # the loop stood still
    assert [len(crowd.turn()), len(crowd.turn())] == [4, 4]
    assert crowd.turn() == ["fd"] * 2 + ["looked"]


def test_6_a_look_that_is_full_to_its_bound_may_have_left_somebody_out(crowd: Crowd) -> None:
    crowd.send(Crowd.BOUND)
    crowd.ask()
    assert crowd.turn() == ["fd"] * 4
    assert crowd.turn() == ["looked"]


def test_6_a_busy_row_of_looks_ends_by_count(crowd: Crowd) -> None:
    crowd.drains = False
    crowd.send()
    crowd.ask()
    registered = Crowd.FILES + 1  # and the loop's own bell
    turns = [crowd.turn() for _ in range(-(-registered // Crowd.BOUND))]
    assert turns == [["fd"] * 4, ["fd"] * 4, ["fd"] * 4 + ["looked"]]


def test_6_who_asks_while_a_look_is_made_waits_for_the_one_behind_it(crowd: Crowd) -> None:
    crowd.drains = False
    crowd.send()
    crowd.ask("first")
    crowd.turn()
    crowd.ask("second")
    assert [crowd.turn()[4:] for _ in range(5)] == [[], ["first"], [], [], ["second"]]


def test_6_who_leaves_while_a_look_is_made_doesnt_make_it_shorter(crowd: Crowd) -> None:
    crowd.leaves = True
    crowd.send()
    crowd.ask()
    assert [crowd.turn(), crowd.turn()] == [["fd"] * 4, ["fd"] * 4]
    assert crowd.turn() == ["fd"] * 2 + ["looked"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_6_an_interrupt_in_a_call_loses_none_of_the_others(crowd: Crowd, stop: type[BaseException]) -> None:
    crowd.ask("before")
    crowd.loop.call_after_look(raiser(stop()))
    crowd.ask("behind")
    with pytest.raises(stop):
        crowd.turn()
    assert crowd.log == ["before"]
    crowd.drains = False
    crowd.send()
    crowd.ask("asked later")
    assert crowd.turn() == ["fd"] * 4 + ["behind"]
    assert [crowd.turn()[4:] for _ in range(3)] == [[], [], ["asked later"]]


@pytest.mark.parametrize("asked", ["call_soon", "defer_flush"])
def test_6_an_interrupt_before_the_calls_loses_none(crowd: Crowd, asked: str) -> None:
    getattr(crowd.loop, asked)(raiser(KeyboardInterrupt()))
    crowd.loop.call_soon(nothing)
    crowd.ask()
    with pytest.raises(KeyboardInterrupt):
        crowd.turn()
    assert crowd.turn() == ["looked"]


def test_6_files_that_an_interrupt_left_unread_dont_count(crowd: Crowd) -> None:
    interrupting, peer = socket.socketpair()
    with interrupting, peer:
        crowd.loop.add_reader(interrupting, lambda: (interrupting.recv(1), raiser(KeyboardInterrupt())()))
        peer.send(b"x")
        crowd.send()
        crowd.ask()
        with pytest.raises(KeyboardInterrupt):
            crowd.turn()
        read = 0
        while "looked" not in crowd.turn():
            read += len(crowd.log)
        assert read + crowd.log.index("looked") == Crowd.FILES


# --- 7: deferred closes


@pytest.mark.parametrize("way", ["on_read", "on_timer", "on_ready"])
def test_7_closes_come_last_wherever_they_come_from(turn: Turn, way: str) -> None:
    getattr(turn, way)(lambda: turn.loop.defer_close(turn.note("close")))
    turn.loop.call_soon(lambda: turn.loop.defer_flush(turn.note("flush")))
    assert turn.make()[-2:] == ["flush", "close"]
    assert turn.make() == ["poll"]


def test_7_closes_happen_in_the_order_in_which_they_were_deferred(turn: Turn) -> None:
    turn.on_read(lambda: turn.loop.defer_close(turn.note("first")))
    turn.on_timer(lambda: turn.loop.defer_close(turn.note("second")))
    turn.on_ready(lambda: turn.loop.defer_close(turn.note("third")))
    assert turn.make()[-3:] == ["first", "second", "third"]


def test_7_a_write_or_a_close_that_a_close_brings_about_happens_in_this_turn(turn: Turn) -> None:
    def close() -> None:
        turn.log.append("close")
        turn.loop.defer_close(turn.note("second close"))
        turn.loop.defer_flush(turn.note("flush"))

    turn.on_ready(lambda: turn.loop.defer_close(close))
    assert turn.make() == ["poll", "ready", "close", "flush", "second close"]


def test_7_what_a_close_queues_waits_for_the_next_turn(turn: Turn) -> None:
    turn.on_ready(lambda: turn.loop.defer_close(lambda: turn.loop.call_soon(turn.note("queued"))))
    assert turn.make() == ["poll", "ready"]
    assert turn.make() == ["poll", "queued"]
