"""Other threads: what they leave for the loop arrives once and in order; what they work out comes back on the loop."""

import asyncio
import concurrent.futures
import selectors
import threading
from collections.abc import Callable
from concurrent.futures import Future, as_completed, wait
from contextlib import suppress
from typing import Any

import pytest
from helpers import run_until

from reactor import EventLoop

PATIENCE = 20.0


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Call `work(number)` in so many threads at once, and wait for all."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
        assert not each.is_alive()


# --- call_soon_threadsafe


def test_a_call_from_another_thread_is_made_on_the_loop_thread(real: EventLoop) -> None:
    called_on: list[int] = []
    in_threads(1, lambda _: real.call_soon_threadsafe(lambda: called_on.append(threading.get_ident())))
    run_until(real, lambda: called_on)
    assert called_on == [threading.get_ident()]


def test_all_calls_from_many_threads_arrive_each_threads_in_its_order(real: EventLoop) -> None:
    calls: list[tuple[int, int]] = []

    def leave(number: int) -> None:
        for step in range(500):
            real.call_soon_threadsafe(calls.append, (number, step))

    in_threads(8, leave)
    run_until(real, lambda: len(calls) >= 4000)
    for number in range(8):
        assert [step for who, step in calls if who == number] == list(range(500))
    assert len(calls) == 4000


def test_calls_that_arrive_while_the_loop_runs_are_not_lost(real: EventLoop, run: Callable[[EventLoop], None]) -> None:
    calls: list[int] = []

    def count(step: int) -> None:
        calls.append(step)
        if len(calls) == 4000:
            real.stop()

    def leave(number: int) -> None:
        for step in range(500):
            real.call_soon_threadsafe(count, step)

    leaver = threading.Thread(target=in_threads, args=(8, leave))
    leaver.start()
    run(real)
    leaver.join(PATIENCE)
    assert len(calls) == 4000


def test_a_call_wakes_a_loop_that_sleeps(run: Callable[[EventLoop], None]) -> None:
    asleep = threading.Event()

    class Noting(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> Any:
            asleep.set()
            return super().select(timeout)

    def wake() -> None:
        assert asleep.wait(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)

    with EventLoop(Noting()) as loop:
        waker = threading.Thread(target=wake)
        waker.start()
        run(loop)
        waker.join(PATIENCE)


def test_a_loop_that_goes_back_to_sleep_is_woken_each_time() -> None:
    with EventLoop() as loop:
        runner = threading.Thread(target=loop.run)
        runner.start()
        for _ in range(300):
            answered = threading.Event()
            loop.call_soon_threadsafe(answered.set)
            assert answered.wait(PATIENCE), "the wake-up was lost"
        loop.call_soon_threadsafe(loop.stop)
        runner.join(PATIENCE)
        assert not runner.is_alive()


def test_a_call_left_while_the_bell_is_being_answered_is_made(real: EventLoop) -> None:
    calls: list[str] = []

    def first() -> None:
        calls.append("first")
        in_threads(1, lambda _: real.call_soon_threadsafe(calls.append, "second"))

    real.call_soon_threadsafe(first)
    run_until(real, lambda: len(calls) == 2)
    assert calls == ["first", "second"]


def test_the_calls_of_one_turn_ring_once(loop: EventLoop) -> None:
    calls: list[int] = []
    for number in range(100):
        loop.call_soon_threadsafe(calls.append, number)
    in_threads(4, lambda number: loop.call_soon_threadsafe(calls.append, number))
    assert loop.stats()["wakeups"] == 1
    loop.run_once(0)
    assert len(calls) == 104
    loop.call_soon_threadsafe(calls.append, 0)
    assert loop.stats()["wakeups"] == 2


def test_call_soon_rings_nobody(loop: EventLoop) -> None:
    loop.call_soon(id, 0)
    loop.run_once(0)
    assert loop.stats()["wakeups"] == 0


def test_calls_of_all_kinds_share_one_queue(loop: EventLoop) -> None:
    calls: list[int] = []
    loop.call_soon(calls.append, 1)
    loop.call_soon_threadsafe(calls.append, 2)
    loop.call_soon(calls.append, 3)
    loop.run_once(0)
    assert calls == [1, 2, 3]


def test_a_call_from_another_thread_can_be_cancelled_on_the_loop(loop: EventLoop) -> None:
    loop.call_soon_threadsafe(pytest.fail, "a cancelled call was made").cancel()
    loop.run_once(0)


def test_a_call_after_close_is_refused(loop: EventLoop) -> None:
    loop.close()
    refused: list[RuntimeError] = []

    def leave(number: int) -> None:
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as exc:
            refused.append(exc)

    in_threads(2, leave)
    assert len(refused) == 2


def test_threads_that_race_with_close_are_accepted_or_refused_and_nothing_else() -> None:
    outcomes: list[BaseException] = []
    started = threading.Barrier(5, timeout=PATIENCE)

    def leave() -> None:
        started.wait()
        try:
            while True:
                loop.call_soon_threadsafe(id, 0)
        except BaseException as exc:
            outcomes.append(exc)

    loop = EventLoop()
    threads = [threading.Thread(target=leave) for _ in range(4)]
    for each in threads:
        each.start()
    started.wait()
    loop.run_once(0)
    loop.close()
    for each in threads:
        each.join(PATIENCE)
    assert [type(each) for each in outcomes] == [RuntimeError] * 4


# --- run_in_thread


def test_the_result_comes_back_on_the_loop_thread(real: EventLoop) -> None:
    done: list[tuple[int, int]] = []
    future = real.run_in_thread(
        lambda a, b: (a + b, threading.get_ident()),
        1,
        2,
        on_done=lambda future: done.append((future.result()[0], threading.get_ident())),
    )
    run_until(real, lambda: done)
    assert done == [(3, threading.get_ident())]
    assert future.result(0)[1] != threading.get_ident()


def test_on_done_gets_the_future_that_was_returned(real: EventLoop) -> None:
    done: list[Future[int]] = []
    future = real.run_in_thread(int, "7", on_done=done.append)
    run_until(real, lambda: done)
    assert done[0] is future
    assert future.result(0) == 7


def test_the_exception_comes_back_in_the_future_and_isnt_reported(real: EventLoop) -> None:
    done: list[BaseException | None] = []
    real.run_in_thread(int, "seven", on_done=lambda future: done.append(future.exception(0)))
    run_until(real, lambda: done)
    assert isinstance(done[0], ValueError)
    assert real.stats()["reports"] == 0


def test_without_on_done_the_future_alone_tells(real: EventLoop) -> None:
    assert real.run_in_thread(int, "7").result(PATIENCE) == 7
    real.run_once(0)
    assert real.stats()["calls"] == 0


def test_the_loop_goes_on_while_a_call_blocks(real: EventLoop) -> None:
    done: list[Future[bool]] = []
    release = threading.Event()
    real.run_in_thread(release.wait, PATIENCE, on_done=done.append)
    real.call_soon(release.set)
    run_until(real, lambda: done)
    assert done[0].result(0) is True


def test_many_calls_all_come_back(real: EventLoop) -> None:
    done: list[int] = []
    for number in range(100):
        real.run_in_thread(abs, -number, on_done=lambda future: done.append(future.result(0)))
    run_until(real, lambda: len(done) >= 100)
    assert sorted(done) == list(range(100))


def test_an_exception_in_on_done_is_reported(real: EventLoop) -> None:
    reports: list[dict[str, Any]] = []
    real.set_exception_handler(lambda loop, context: reports.append(context))
    error = ValueError("on_done")

    def fail(future: Future[int]) -> None:
        raise error

    real.run_in_thread(int, "7", on_done=fail)
    run_until(real, lambda: reports)
    assert reports[0]["exception"] is error


# --- an exception that nobody takes


@pytest.fixture
def told(real: EventLoop) -> list[dict[str, Any]]:
    """What the exception handler was told, each with the thread."""
    reports: list[dict[str, Any]] = []
    real.set_exception_handler(lambda _, context: reports.append({**context, "on": threading.get_ident()}))
    return reports


def fail(exc: BaseException) -> None:
    raise exc


def ended(future: Future[Any]) -> Future[Any]:
    """Wait until it is done, without asking for more."""
    wait([future], PATIENCE)
    return future


ERRORS = [ValueError("nobody knows"), SystemExit(3), KeyboardInterrupt(), StopIteration(1)]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_exception_whose_future_nobody_kept_is_reported_on_the_loop_thread(
    real: EventLoop, told: list[dict[str, Any]], error: BaseException
) -> None:
    real.run_in_thread(fail, error)
    run_until(real, lambda: told)
    assert told == [
        {
            "message": "exception in a thread, in fail, and nobody asked for it",
            "exception": error,
            "on": threading.get_ident(),
        }
    ]


def test_it_is_reported_when_the_last_who_could_have_asked_lets_go(real: EventLoop, told: list[dict[str, Any]]) -> None:
    future = [ended(real.run_in_thread(fail, ValueError("kept")))]
    real.run_once(0)
    assert told == []
    future.clear()
    run_until(real, lambda: told)
    assert str(told[0]["exception"]) == "kept"


ASKS: dict[str, Callable[[Future[Any]], object]] = {
    "result": lambda future: future.result(PATIENCE),
    "exception": lambda future: future.exception(PATIENCE),
    "result on another thread": lambda future: in_threads(1, lambda _: future.exception(PATIENCE)),
    "asyncio": lambda future: asyncio.run(awaited(future)),
    "as_completed": lambda future: [each.result() for each in as_completed([future])],
}


async def awaited(future: Future[Any]) -> None:
    await asyncio.wrap_future(future)


@pytest.mark.parametrize("way", ASKS)
def test_who_asks_is_told_and_nobody_else(real: EventLoop, told: list[dict[str, Any]], way: str) -> None:
    future = real.run_in_thread(fail, ValueError("asked for"))
    with suppress(ValueError):
        ASKS[way](future)
    del future
    real.run_once(0)
    assert told == []


def test_who_asked_too_early_was_not_told(real: EventLoop, told: list[dict[str, Any]]) -> None:
    release = threading.Event()

    def wait_and_fail() -> None:
        release.wait(PATIENCE)
        raise ValueError("late")

    future = real.run_in_thread(wait_and_fail)
    with pytest.raises(concurrent.futures.TimeoutError):  # which is the built-in one from Python 3.11 on
        future.result(0)
    release.set()
    ended(future)
    del future
    run_until(real, lambda: told)


def test_an_on_done_that_doesnt_ask_takes_nothing(real: EventLoop, told: list[dict[str, Any]]) -> None:
    real.run_in_thread(fail, ValueError("not asked for"), on_done=lambda future: None)
    run_until(real, lambda: told)


def test_a_cancelled_call_and_one_that_returns_have_nothing_to_tell(
    real: EventLoop, told: list[dict[str, Any]]
) -> None:
    release = threading.Event()
    blocked = [real.run_in_thread(release.wait, PATIENCE) for _ in range(8)]
    assert real.run_in_thread(fail, ValueError("never made")).cancel()
    release.set()
    for each in blocked:
        ended(each)
    real.run_in_thread(int).result(PATIENCE)
    real.run_once(0)
    assert told == []


def test_on_a_closed_loop_it_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr("reactor.loop.outcome.log_context", logged.append)
    with EventLoop() as loop:
        future = ended(loop.run_in_thread(fail, ValueError("too late")))
    del future
    assert [str(each["exception"]) for each in logged] == ["too late"]


def test_the_process_ends_when_the_calls_are_done(script: Callable[[str], tuple[str, str]]) -> None:
    out, _ = script("""
        import sys, threading
        from reactor import EventLoop

        def write():
            threading.main_thread().join()
            sys.stdout.write("written")

        EventLoop().run_in_thread(write)
    """)
    assert out == "written"


def test_the_process_waits_for_no_daemon(script: Callable[[str], tuple[str, str]]) -> None:
    out, err = script("""
        import threading
        from reactor import EventLoop

        loop = EventLoop()
        for _ in range(20):
            loop.run_in_daemon(threading.Event().wait, on_done=print)
        print("over")
    """)
    assert (out, err) == ("over\n", "")


def test_a_thread_that_cant_be_started_is_what_the_call_raises(
    real: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        future = real.run_in_thread(int)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        future.result(PATIENCE)
    assert real.run_in_thread(int, "7").result(PATIENCE) == 7


def test_daemons_and_other_calls_have_places_of_their_own(real: EventLoop) -> None:
    release, done = threading.Event(), list[Future[int]]()
    blocked = [real.run_in_thread(release.wait, PATIENCE) for _ in range(9)]
    real.run_in_daemon(int, "7", on_done=done.append)
    run_until(real, lambda: done)
    assert done[0].result(0) == 7
    release.set()
    assert all(future.result(PATIENCE) for future in blocked)


def test_close_drops_the_daemons_calls_too() -> None:
    release, done = threading.Event(), list[Future[bool]]()
    with EventLoop() as loop:
        futures = [loop.run_in_daemon(release.wait, PATIENCE, on_done=done.append) for _ in range(17)]
    assert [future.cancelled() for future in futures] == [False] * 16 + [True]
    release.set()
    assert all(future.result(PATIENCE) for future in futures[:16])
    assert done == []


def test_a_call_that_ends_after_the_loop_was_closed_tells_nobody_and_blows_up_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release, told = threading.Event(), threading.Event()
    with EventLoop() as loop:
        future = loop.run_in_thread(release.wait, PATIENCE, on_done=pytest.fail)
        future.add_done_callback(lambda future: told.set())
    assert not future.done()
    release.set()
    assert told.wait(PATIENCE)
    assert future.result(0) is True
    assert caplog.records == []


def test_close_doesnt_wait_for_calls_that_run_and_drops_those_that_wait() -> None:
    release, running = threading.Event(), threading.Semaphore(0)

    def block() -> bool:
        running.release()
        return release.wait(PATIENCE)

    with EventLoop() as loop:
        futures = [loop.run_in_thread(block, on_done=pytest.fail) for _ in range(9)]
        for _ in range(8):
            assert running.acquire(timeout=PATIENCE)
    assert [future.cancelled() for future in futures] == [False] * 8 + [True]
    release.set()
    assert all(future.result(PATIENCE) for future in futures[:8])


def test_a_call_that_waits_can_be_cancelled_and_on_done_is_told(real: EventLoop) -> None:
    release, done = threading.Event(), list[Future[Any]]()
    blocked = [real.run_in_thread(release.wait, PATIENCE) for _ in range(8)]
    waiting = real.run_in_thread(pytest.fail, "cancelled call was made", on_done=done.append)
    assert waiting.cancel()
    run_until(real, lambda: done)
    assert done == [waiting]
    release.set()
    assert all(future.result(PATIENCE) for future in blocked)


def test_nothing_is_started_on_a_closed_loop(loop: EventLoop) -> None:
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_in_thread(print)


def test_what_cant_be_called_is_refused_where_it_is_given(loop: EventLoop) -> None:
    with pytest.raises(TypeError, match="a callable is needed, not None"):
        loop.run_in_thread(None)  # type: ignore[arg-type]
