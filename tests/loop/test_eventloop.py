"""EventLoop: running, stopping and closing; what is reported and what comes out of run(); what it counts."""

import asyncio
import gc
import math
import selectors
import signal
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from reactor import EventLoop
from reactor.testing import ManualClock

Pair = tuple[socket.socket, socket.socket]
Schedule = Callable[[EventLoop, Callable[[], object], socket.socket], object]

# Each way to have something called in the next turn; the socket is writable, and readable too.
WAYS: dict[str, Schedule] = {
    "call_soon": lambda loop, callback, sock: loop.call_soon(callback),
    "call_soon_threadsafe": lambda loop, callback, sock: loop.call_soon_threadsafe(callback),
    "call_after_look": lambda loop, callback, sock: loop.call_after_look(callback),
    "call_later": lambda loop, callback, sock: loop.call_later(0, callback),
    "call_at": lambda loop, callback, sock: loop.call_at(0, callback),
    "add_reader": lambda loop, callback, sock: loop.add_reader(sock, callback),
    "add_writer": lambda loop, callback, sock: loop.add_writer(sock, callback),
    "watch": lambda loop, callback, sock: loop.watch(sock, callback, print).want(selectors.EVENT_READ),
    "defer_flush": lambda loop, callback, sock: loop.defer_flush(callback),
    "defer_close": lambda loop, callback, sock: loop.defer_close(callback),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


class Thing:
    """Something that a weak reference can watch."""

    def method(self) -> None:
        """Be a callback."""


@pytest.fixture
def ready(pair: Pair) -> socket.socket:
    """A socket that is readable and writable."""
    pair[1].send(b"x")
    return pair[0]


def failing_with(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


# --- run, stop


def test_run_makes_turns_until_it_is_stopped(loop: EventLoop) -> None:
    turns: list[int] = []

    def turn() -> None:
        turns.append(len(turns))
        if len(turns) == 5:
            loop.stop()
        else:
            loop.call_soon(turn)

    loop.call_soon(turn)
    loop.run()
    assert turns == [0, 1, 2, 3, 4]


def test_stop_before_run_makes_one_turn_that_doesnt_wait(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(lambda: loop.call_soon(calls.append, "second turn"))
    loop.call_soon(calls.append, "first turn")
    loop.call_later(3600, calls.append, "in an hour")
    loop.stop()
    loop.run()
    assert calls == ["first turn"]
    assert loop.stats()["turns"] == 1


def test_stop_before_run_returns_even_if_nothing_is_to_be_done(loop: EventLoop) -> None:
    loop.stop()
    loop.run()
    assert loop.stats()["turns"] == 1


def test_stop_from_inside_a_callback_completes_the_turn(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_later(0, loop.stop)
    loop.call_soon(lambda: loop.call_soon(calls.append, "queued for the next turn"))
    loop.call_soon(calls.append, "ready")
    loop.call_soon(lambda: loop.defer_close(lambda: calls.append("close")))
    loop.call_soon(lambda: loop.defer_flush(lambda: calls.append("flush")))
    loop.run()
    assert calls == ["ready", "flush", "close"]


def test_what_a_stop_left_is_done_by_the_next_run(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append("left"), loop.stop())))
    loop.call_soon(loop.stop)
    loop.run()
    assert calls == []
    loop.run()
    assert calls == ["left"]


def test_a_stop_counts_for_one_run_only(loop: EventLoop) -> None:
    calls: list[int] = []
    loop.stop()
    loop.stop()
    loop.run()
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append(1), loop.stop())))
    loop.run()
    assert calls == [1]


def test_a_stop_inside_a_turn_of_its_own_counts_for_that_turn(loop: EventLoop) -> None:
    calls: list[int] = []
    loop.call_soon(loop.stop)
    loop.run_once(0)
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append(1), loop.stop())))
    loop.run()
    assert calls == [1]


def test_a_turn_of_its_own_waits_though_the_last_one_was_stopped() -> None:
    asked: list[float | None] = []

    class Asked(selectors.SelectSelector):
        def select(self, timeout: float | None = None) -> Any:
            asked.append(timeout)
            return super().select(0)

    with EventLoop(Asked()) as loop:
        loop.stop()
        loop.run_once(5)
        loop.run_once(5)
    assert asked == [0, 5]


@pytest.mark.parametrize("timeout", [math.inf, 1e7, 1e300])
def test_a_turn_may_wait_for_longer_than_selectors_can_count(timeout: float) -> None:
    with EventLoop() as loop:
        loop.call_soon(int)
        loop.run_once(timeout)
        threading.Timer(0.01, loop.call_soon_threadsafe, [int]).start()
        loop.run_once(timeout)
        assert loop.stats()["turns"] == 2


def test_a_stop_from_another_thread_wakes_a_loop_that_waits(loop: EventLoop) -> None:
    threading.Timer(0.01, loop.stop).start()
    loop.run()
    assert loop.stats()["timers_run"] == 0


def test_a_stop_from_a_signal_handler_of_somebody_else_wakes_a_loop_that_waits(loop: EventLoop) -> None:
    before = signal.signal(signal.SIGALRM, lambda signum, frame: loop.stop())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        loop.run()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert loop.stats()["timers_run"] == 0


@each_way
def test_a_loop_can_be_stopped_from_every_kind_of_callback(
    loop: EventLoop, ready: socket.socket, way: Schedule
) -> None:
    way(loop, loop.stop, ready)
    loop.run()
    assert not loop.is_running()


def test_a_loop_tells_whether_it_is_running(loop: EventLoop) -> None:
    seen: list[bool] = []
    loop.call_soon(lambda: (seen.append(loop.is_running()), loop.stop()))
    assert not loop.is_running()
    loop.run()
    assert seen == [True]
    assert not loop.is_running()


def test_run_inside_run_is_refused_and_the_run_goes_on(loop: EventLoop) -> None:
    calls: list[str] = []

    def run_again() -> None:
        with pytest.raises(RuntimeError, match="running"):
            loop.run()
        loop.call_soon(calls.append, "next turn")
        loop.call_soon(loop.stop)

    loop.call_soon(run_again)
    loop.run()
    assert calls == ["next turn"]


@pytest.mark.parametrize("method", ["run", "run_once"])
@pytest.mark.parametrize("running", ["run", "run_once"])
@each_way
def test_a_turn_inside_a_turn_is_refused(
    loop: EventLoop, ready: socket.socket, way: Schedule, running: str, method: str
) -> None:
    refused: list[RuntimeError] = []

    def turn() -> None:
        loop.stop()
        with pytest.raises(RuntimeError) as caught:
            getattr(loop, method)()
        refused.append(caught.value)
        loop.stop()

    way(loop, turn, ready)
    getattr(loop, running)()
    assert len(refused) == 1


def test_run_once_after_a_refused_one_makes_a_turn(loop: EventLoop) -> None:
    calls: list[str] = []

    def turn() -> None:
        with pytest.raises(RuntimeError):
            loop.run_once(0)

    loop.call_soon(turn)
    loop.run_once(0)
    loop.call_soon(calls.append, "called")
    loop.run_once(0)
    assert calls == ["called"]


# --- close


def test_close_is_idempotent(loop: EventLoop) -> None:
    assert not loop.is_closed()
    loop.close()
    loop.close()
    assert loop.is_closed()


def test_leaving_with_closes_the_loop() -> None:
    with EventLoop() as loop:
        assert not loop.is_closed()
    assert loop.is_closed()


def test_leaving_with_by_an_exception_closes_the_loop_and_lets_it_out() -> None:
    with pytest.raises(KeyError), EventLoop() as loop:
        raise KeyError
    assert loop.is_closed()


def test_the_selector_is_closed_with_the_loop() -> None:
    selector = selectors.DefaultSelector()
    EventLoop(selector).close()
    assert selector.get_map() is None


@each_way
def test_close_from_inside_a_turn_is_refused_and_the_loop_goes_on(
    loop: EventLoop, ready: socket.socket, way: Schedule
) -> None:
    refused: list[RuntimeError] = []

    def close() -> None:
        with pytest.raises(RuntimeError, match="stop") as caught:
            loop.close()
        refused.append(caught.value)

    way(loop, close, ready)
    loop.run_once(0)
    assert len(refused) == 1
    assert not loop.is_closed()
    loop.run_once(0)


@pytest.mark.parametrize(
    "use",
    [
        lambda loop, sock: loop.run(),
        lambda loop, sock: loop.run_once(0),
        lambda loop, sock: loop.call_soon(print),
        lambda loop, sock: loop.call_soon_threadsafe(print),
        lambda loop, sock: loop.call_after_look(print),
        lambda loop, sock: loop.call_later(1, print),
        lambda loop, sock: loop.call_at(1, print),
        lambda loop, sock: loop.call_every(1, print),
        lambda loop, sock: loop.run_in_thread(print),
        lambda loop, sock: loop.add_reader(sock, print),
        lambda loop, sock: loop.add_writer(sock, print),
        lambda loop, sock: loop.add_signal_handler(2, print),
    ],
)
def test_a_closed_loop_refuses_to_be_used(
    loop: EventLoop, ready: socket.socket, use: Callable[[EventLoop, socket.socket], object]
) -> None:
    loop.close()
    with pytest.raises(RuntimeError, match="the loop is closed"):
        use(loop, ready)


def test_what_ends_things_may_be_called_on_a_closed_loop(loop: EventLoop, ready: socket.socket) -> None:
    handle, timer = loop.call_soon(print), loop.call_later(1, print)
    loop.add_reader(ready, print)
    loop.close()
    handle.cancel()
    timer.cancel()
    loop.stop()
    assert loop.remove_reader(ready) is False
    assert loop.remove_writer(ready) is False
    assert loop.remove_signal_handler(10) is False


@each_way
def test_what_was_queued_isnt_called_by_close(loop: EventLoop, ready: socket.socket, way: Schedule) -> None:
    way(loop, lambda: pytest.fail("called by close"), ready)
    loop.close()


@each_way
def test_close_lets_go_of_what_was_queued(loop: EventLoop, ready: socket.socket, way: Schedule) -> None:
    thing = Thing()
    watched = weakref.ref(thing)
    way(loop, thing.method, ready)
    del thing
    assert watched() is not None
    loop.close()
    gc.collect()
    assert watched() is None


# --- exceptions


@pytest.mark.parametrize("kind", [ValueError, StopIteration, GeneratorExit, asyncio.CancelledError])
@each_way
def test_an_exception_in_a_callback_is_reported_and_the_loop_goes_on(
    loop: EventLoop, ready: socket.socket, reports: list[dict[str, Any]], way: Schedule, kind: type[BaseException]
) -> None:
    error = kind("from a callback")
    calls: list[str] = []
    way(loop, failing_with(error), ready)
    loop.call_soon(calls.append, "same turn")
    loop.run_once(0)
    assert [report["exception"] for report in reports] == [error]
    assert isinstance(reports[0]["message"], str)
    assert reports[0]["message"]
    loop.call_soon(calls.append, "next turn")
    loop.run_once(0)
    assert calls == ["same turn", "next turn"]


@each_way
def test_a_report_tells_more_than_the_exception(
    loop: EventLoop, ready: socket.socket, reports: list[dict[str, Any]], way: Schedule
) -> None:
    way(loop, failing_with(ValueError()), ready)
    loop.run_once(0)
    assert set(reports[0]) > {"message", "exception"}


def test_the_exception_handler_is_told_which_loop_it_is(loop: EventLoop) -> None:
    told: list[EventLoop] = []
    loop.set_exception_handler(lambda loop, context: told.append(loop))
    loop.call_soon(failing_with(ValueError()))
    loop.run_once(0)
    assert told == [loop]


def test_the_exception_handler_can_be_replaced(loop: EventLoop) -> None:
    told: list[str] = []
    loop.set_exception_handler(lambda loop, context: told.append("first"))
    loop.set_exception_handler(lambda loop, context: told.append("second"))
    loop.call_exception_handler({"message": "something"})
    assert told == ["second"]


def test_the_exception_handler_may_use_the_loop(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.set_exception_handler(lambda loop, context: loop.call_soon(calls.append, context["message"]))
    loop.call_soon(failing_with(ValueError()))
    loop.run_once(0)
    loop.run_once(0)
    assert len(calls) == 1


def test_an_exception_handler_that_cant_be_called_is_refused(loop: EventLoop) -> None:
    with pytest.raises(TypeError, match="'handler'"):
        loop.set_exception_handler("handler")


def test_reports_are_counted(loop: EventLoop, reports: list[dict[str, Any]]) -> None:
    for _ in range(3):
        loop.call_soon(failing_with(ValueError()))
    loop.run_once(0)
    assert loop.stats()["reports"] == len(reports) == 3


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_comes_out_of_the_exception_handler(
    loop: EventLoop, leaving: type[BaseException]
) -> None:
    def leave(loop: EventLoop, context: dict[str, Any]) -> None:
        raise leaving

    loop.set_exception_handler(leave)
    loop.call_soon(failing_with(ValueError()))
    with pytest.raises(leaving):
        loop.run()
    assert not loop.is_running()


def test_without_a_handler_an_exception_is_logged_with_its_traceback(script: Callable[[str], tuple[str, str]]) -> None:
    out, err = script("""
        from reactor import EventLoop

        def fail():
            raise ValueError("from a callback")

        with EventLoop() as loop:
            loop.set_exception_handler(print)
            loop.set_exception_handler(None)
            loop.call_soon(fail)
            loop.call_soon(loop.stop)
            loop.run()
        print("went on")
    """)
    assert out == "went on\n"
    assert "exception in a callback" in err
    assert "Traceback" in err
    assert "in fail" in err
    assert "ValueError: from a callback" in err


@pytest.mark.parametrize("kind", ["ValueError", "GeneratorExit"])
def test_an_exception_in_the_exception_handler_is_logged_with_the_first_and_the_loop_goes_on(
    script: Callable[[str], tuple[str, str]], kind: str
) -> None:
    out, err = script(f"""
        from reactor import EventLoop

        def fail():
            raise KeyError("the first")

        def handle(loop, context):
            raise {kind}("from the handler")

        with EventLoop() as loop:
            loop.set_exception_handler(handle)
            loop.call_soon(fail)
            loop.call_soon(print, "same turn")
            loop.run_once(0)
            loop.call_soon(print, "next turn")
            loop.run_once(0)
    """)
    assert out == "same turn\nnext turn\n"
    assert "KeyError: 'the first'" in err
    assert f"{kind}: from the handler" in err


def test_a_callback_that_cant_even_be_shown_doesnt_end_the_loop(script: Callable[[str], tuple[str, str]]) -> None:
    out, err = script("""
        from reactor import EventLoop

        class Device:
            def __repr__(self):
                return f"<Device {self.name}>"  # which it never got

            def poll(self):
                raise ValueError("from a callback")

        with EventLoop() as loop:
            loop.call_soon(Device().poll)
            loop.call_soon(print, "same turn")
            loop.run_once(0)
    """)
    assert out == "same turn\n"
    assert "ValueError: from a callback" in err


# --- what comes out of run()


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
@each_way
def test_what_ends_the_program_comes_out_of_run_and_nothing_queued_is_lost(
    loop: EventLoop, pair: Pair, ready: socket.socket, way: Schedule, leaving: type[BaseException]
) -> None:
    calls: list[str] = []
    left = [False]

    def leave() -> None:
        if not left[0]:
            left[0] = True
            raise leaving

    pair[0].send(b"x")
    way(loop, leave, ready)
    for name, other_way in WAYS.items():
        if name not in ("add_reader", "add_writer", "watch"):
            other_way(loop, lambda name=name: calls.append(name), pair[1])
    loop.add_reader(pair[1], lambda: (pair[1].recv(1), calls.append("add_reader")))
    with pytest.raises(leaving):
        loop.run()
    assert not loop.is_running()
    loop.stop()
    loop.run()
    expected = {
        "call_soon",
        "call_soon_threadsafe",
        "call_after_look",
        "call_later",
        "call_at",
        "add_reader",
        "defer_flush",
        "defer_close",
    }
    assert sorted(calls) == sorted(expected)


def test_an_interrupted_turn_goes_on_in_order(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_later(0, calls.append, "first timer")
    loop.call_later(0, failing_with(KeyboardInterrupt()))
    loop.call_later(0, calls.append, "second timer")
    loop.call_soon(calls.append, "ready")
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert calls == ["first timer"]
    loop.stop()
    loop.run()
    assert calls == ["first timer", "second timer", "ready"]


def test_a_timer_left_by_an_interrupted_turn_can_still_be_cancelled(loop: EventLoop) -> None:
    loop.call_later(0, failing_with(KeyboardInterrupt()))
    timer = loop.call_later(0, pytest.fail, "a cancelled timer ran")
    with pytest.raises(KeyboardInterrupt):
        loop.run_once(0)
    timer.cancel()
    loop.run_once(0)
    assert loop.stats()["timers"] == 0


def test_what_ends_the_program_isnt_reported(loop: EventLoop, reports: list[dict[str, Any]]) -> None:
    loop.call_soon(failing_with(SystemExit(3)))
    with pytest.raises(SystemExit) as caught:
        loop.run()
    assert caught.value.code == 3
    assert reports == []


def test_a_run_that_was_interrupted_leaves_no_stop_behind(loop: EventLoop) -> None:
    calls: list[int] = []
    loop.call_soon(loop.stop)
    loop.call_soon(failing_with(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append(1), loop.stop())))
    loop.run()
    assert calls == [1]


def test_an_interrupted_loop_can_be_closed(loop: EventLoop) -> None:
    loop.call_soon(failing_with(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    loop.close()
    assert loop.is_closed()


# --- time, stats


def test_time_is_what_the_clock_says(loop: EventLoop, clock: ManualClock) -> None:
    assert loop.time() == 1000
    clock.advance(1.5)
    assert loop.time() == 1001.5


def test_stats_are_counters_and_sizes(loop: EventLoop, ready: socket.socket) -> None:
    assert loop.stats() == {
        "turns": 0,
        "events": 0,
        "calls": 0,
        "timers_run": 0,
        "wakeups": 0,
        "reports": 0,
        "stalls": 0,
        "longest_turn": 0,
        "ready": 0,
        "timers": 0,
        "watched": 0,
    }
    loop.call_soon(id, 0)
    loop.call_later(0, id, 0)
    loop.call_later(9, id, 0)
    loop.add_reader(ready, id, 0)
    before = loop.stats()
    assert (before["ready"], before["timers"], before["watched"]) == (1, 2, 1)
    loop.run_once(0)
    after = loop.stats()
    assert (after["ready"], after["timers"], after["watched"]) == (0, 1, 1)
    assert (after["turns"], after["events"], after["calls"], after["timers_run"]) == (1, 1, 2, 1)


def test_a_cancelled_timer_counts_as_neither_called_nor_run(loop: EventLoop) -> None:
    loop.call_later(0, lambda: second.cancel())
    second = loop.call_later(0, print)
    loop.run_once(0)
    stats = loop.stats()
    assert (stats["timers_run"], stats["calls"]) == (1, 1)


def test_the_doorbell_counts_as_a_wakeup_and_not_as_watched(loop: EventLoop) -> None:
    loop.call_soon_threadsafe(id, 0)
    loop.run_once(0)
    assert loop.stats()["wakeups"] == 1
    assert loop.stats()["watched"] == 0


def test_a_closed_loop_still_tells_its_stats(loop: EventLoop) -> None:
    loop.call_later(1, print)
    loop.run_once(0)
    loop.close()
    stats = loop.stats()
    assert (stats["turns"], stats["ready"], stats["timers"], stats["watched"]) == (1, 0, 0, 0)


def test_two_loops_dont_know_of_each_other(loop: EventLoop) -> None:
    calls: list[str] = []
    with EventLoop(clock=loop.time) as other:
        loop.call_soon(calls.append, "one")
        other.call_soon(calls.append, "other")
        other.run_once(0)
        assert calls == ["other"]
        loop.call_soon(other.run_once, 0)
        other.call_soon(calls.append, "from inside")
        loop.run_once(0)
    assert calls == ["other", "one", "from inside"]


def test_a_clock_that_can_not_be_called_is_named() -> None:
    with pytest.raises(TypeError, match="clock is 5, it must be callable and return seconds"):
        EventLoop(clock=5)  # type: ignore[arg-type]


def test_a_selector_that_is_none_is_named() -> None:
    with pytest.raises(TypeError, match=r"selector is <class .*>, it must be a selectors.BaseSelector\(\)"):
        EventLoop(selectors.DefaultSelector)  # type: ignore[arg-type]
