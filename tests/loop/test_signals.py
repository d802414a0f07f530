"""Signals: delivered on the loop, never lost; Ctrl-C ends a run in good order; what was there before is there after."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import run_until

from reactor import EventLoop

PATIENCE = 20.0
USR1, USR2, INT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT


@pytest.fixture(autouse=True)
def python_handlers() -> Iterator[None]:
    """Let SIGINT have Python's default handler, whoever started the tests; hold all to what they found."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (USR1, USR2)}
    before[INT] = signal.signal(INT, signal.default_int_handler)
    fd = wakeup_fd()
    yield
    after = {each: signal.getsignal(each) for each in before}
    fd_after = signal.set_wakeup_fd(fd)
    for signum, handler in before.items():
        signal.signal(signum, handler)
    assert after == {USR1: signal.SIG_DFL, USR2: signal.SIG_DFL, INT: signal.default_int_handler}
    assert fd_after == fd


def wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


def interrupt(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(INT)


def outcome(loop: EventLoop) -> str:
    """Run the loop; tell how that ended."""
    try:
        loop.run()
    except KeyboardInterrupt:
        return "interrupted"
    return "returned"


# --- handlers


def test_a_signal_calls_its_handler_with_its_arguments_on_the_loop(real: EventLoop) -> None:
    calls: list[tuple[object, ...]] = []
    real.add_signal_handler(USR1, lambda *args: calls.append(args), 1, "two")
    signal.raise_signal(USR1)
    assert calls == []
    real.run_once(0)
    assert calls == [(1, "two")]


def test_a_signal_wakes_a_loop_that_sleeps(real: EventLoop, run: Callable[[EventLoop], None]) -> None:
    real.add_signal_handler(USR1, real.stop)
    killer = threading.Thread(target=os.kill, args=(os.getpid(), USR1))
    killer.start()
    run(real)
    killer.join(PATIENCE)


def test_a_signal_that_meets_another_thread_wakes_the_loop(real: EventLoop, run: Callable[[EventLoop], None]) -> None:
    real.add_signal_handler(USR1, real.stop)
    meeter = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), USR1))
    meeter.start()
    run(real)
    meeter.join(PATIENCE)


def test_a_signal_is_delivered_every_time(real: EventLoop) -> None:
    calls: list[int] = []
    real.add_signal_handler(USR1, calls.append, 1)
    for _ in range(3):
        signal.raise_signal(USR1)
        real.run_once(0)
    assert calls == [1, 1, 1]


def test_a_second_handler_replaces_the_first(real: EventLoop) -> None:
    calls: list[str] = []
    real.add_signal_handler(USR1, calls.append, "first")
    real.add_signal_handler(USR1, calls.append, "second")
    signal.raise_signal(USR1)
    real.run_once(0)
    assert calls == ["second"]


def test_many_signals_of_two_kinds_are_not_lost(real: EventLoop) -> None:
    calls: list[int] = []
    real.add_signal_handler(USR1, calls.append, 1)
    real.add_signal_handler(USR2, calls.append, 2)

    def storm() -> None:
        for _ in range(3000):  # more than the doorbell's pipe holds
            signal.raise_signal(USR1)
            signal.raise_signal(USR2)

    real.call_soon(storm)
    run_until(real, lambda: len(calls) >= 6000)
    assert (calls.count(1), calls.count(2)) == (3000, 3000)


def test_the_last_kind_of_signal_isnt_lost_in_a_pipe_full_of_another(real: EventLoop) -> None:
    calls: list[int] = []
    real.add_signal_handler(USR1, id, 0)
    real.add_signal_handler(USR2, calls.append, 2)
    for _ in range(3000):
        signal.raise_signal(USR1)
    signal.raise_signal(USR2)
    run_until(real, lambda: calls)
    assert calls == [2]


def test_an_exception_in_a_signal_handler_is_reported_and_the_loop_goes_on(real: EventLoop) -> None:
    reports: list[dict[str, Any]] = []
    real.set_exception_handler(lambda loop, context: reports.append(context))
    error = ValueError("handler")

    def fail() -> None:
        raise error

    real.add_signal_handler(USR1, fail)
    for _ in range(2):
        signal.raise_signal(USR1)
        real.run_once(0)
    assert [report["exception"] for report in reports] == [error, error]


def test_a_signal_handler_may_remove_itself(real: EventLoop) -> None:
    removed: list[bool] = []
    real.add_signal_handler(USR1, lambda: removed.append(real.remove_signal_handler(USR1)))
    signal.raise_signal(USR1)
    real.run_once(0)
    assert removed == [True]
    assert signal.getsignal(USR1) == signal.SIG_DFL


def test_a_signal_that_came_before_its_handler_was_removed_calls_nothing(real: EventLoop) -> None:
    real.add_signal_handler(USR1, pytest.fail, "a removed handler was called")
    real.call_soon(real.remove_signal_handler, USR1)
    signal.raise_signal(USR1)
    real.run_once(0)
    real.run_once(0)


# --- what was there before


def test_removing_gives_the_signal_back_to_whoever_had_it(real: EventLoop) -> None:
    calls: list[str] = []
    mine = signal.signal(USR1, lambda signum, frame: calls.append("previous"))
    real.add_signal_handler(USR1, calls.append, "first")
    real.add_signal_handler(USR1, calls.append, "second")
    assert real.remove_signal_handler(USR1) is True
    signal.raise_signal(USR1)
    assert calls == ["previous"]
    signal.signal(USR1, mine)


def test_removing_tells_whether_there_was_a_handler(real: EventLoop) -> None:
    assert real.remove_signal_handler(USR1) is False
    real.add_signal_handler(USR1, print)
    assert real.remove_signal_handler(USR2) is False
    assert real.remove_signal_handler(USR1) is True
    assert real.remove_signal_handler(USR1) is False


def test_the_wakeup_fd_is_the_loops_only_while_it_makes_turns(real: EventLoop) -> None:
    during: list[int] = []
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        before = signal.set_wakeup_fd(one.fileno(), warn_on_full_buffer=False)
        real.add_signal_handler(USR1, print)
        assert wakeup_fd() == one.fileno()
        real.call_soon(lambda: during.append(wakeup_fd()))
        real.run_once(0)
        assert during != [one.fileno()]
        assert signal.set_wakeup_fd(before) == one.fileno()


def test_a_bell_that_a_callback_hangs_is_left_alone(real: EventLoop) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        real.call_soon(signal.set_wakeup_fd, one.fileno())
        real.run_once(0)
        assert signal.set_wakeup_fd(-1) == one.fileno()


def test_a_bell_that_was_closed_meanwhile_is_not_hung_again(real: EventLoop) -> None:
    one, other = socket.socketpair()
    one.setblocking(False)
    signal.set_wakeup_fd(one.fileno())
    real.call_soon(one.close)
    real.run_once(0)
    other.close()
    assert wakeup_fd() == -1


def test_signals_of_an_asyncio_loop_reach_it_through_a_loop_that_runs_inside_of_it(real: EventLoop) -> None:
    calls: list[str] = []

    async def around() -> None:
        asyncio.get_running_loop().add_signal_handler(USR2, calls.append, "asyncio")
        real.add_signal_handler(USR1, calls.append, "reactor")
        real.call_soon(signal.raise_signal, USR2)
        real.call_soon(signal.raise_signal, USR1)
        real.run_once(0)
        real.run_once(0)
        real.remove_signal_handler(USR1)
        while len(calls) < 2:
            await asyncio.sleep(0)
        asyncio.get_running_loop().remove_signal_handler(USR2)

    asyncio.run(asyncio.wait_for(around(), PATIENCE))
    assert sorted(calls) == ["asyncio", "reactor"]


def test_signals_of_an_asyncio_loop_reach_it_while_a_loop_that_rests_has_handlers(real: EventLoop) -> None:
    real.add_signal_handler(USR1, print)

    async def around() -> None:
        came = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(USR2, came.set)
        signal.raise_signal(USR2)
        await asyncio.wait_for(came.wait(), PATIENCE)
        asyncio.get_running_loop().remove_signal_handler(USR2)

    asyncio.run(around())


def test_close_gives_every_signal_back() -> None:
    with EventLoop() as loop:
        loop.add_signal_handler(USR1, print)
        loop.add_signal_handler(USR2, print)
        loop.add_signal_handler(INT, print)
        assert signal.getsignal(USR1) != signal.SIG_DFL


@pytest.mark.parametrize("signum", [signal.SIGKILL, 0, 10_000])
def test_a_signal_that_cant_be_handled_is_refused_and_leaves_nothing(real: EventLoop, signum: int) -> None:
    with pytest.raises((OSError, ValueError)):
        real.add_signal_handler(signum, print)
    assert real.remove_signal_handler(signum) is False


def test_a_handler_that_cant_be_called_is_refused_and_leaves_nothing(real: EventLoop) -> None:
    with pytest.raises(TypeError):
        real.add_signal_handler(USR1, None)


def test_signals_are_the_main_threads_alone(real: EventLoop) -> None:
    refused: list[ValueError] = []

    def add() -> None:
        with pytest.raises(ValueError, match="main thread") as caught:
            real.add_signal_handler(USR1, print)
        refused.append(caught.value)

    other = threading.Thread(target=add)
    other.start()
    other.join(PATIENCE)
    assert len(refused) == 1
    real.run_once(0)


def test_two_loops_that_handle_signals_may_be_closed_in_either_order(script: Callable[[str], tuple[str, str]]) -> None:
    out, _ = script("""
        import signal
        from reactor import EventLoop

        first, second = EventLoop(), EventLoop()
        first.add_signal_handler(signal.SIGUSR1, print, "first")
        second.add_signal_handler(signal.SIGUSR2, print, "second")
        first.close()
        signal.raise_signal(signal.SIGUSR2)
        second.run_once(0)
        second.close()
        print("closed both")
    """)
    assert out == "second\nclosed both\n"


@pytest.mark.parametrize("closed_first", [0, 1])
def test_two_loops_that_handle_one_signal_may_be_closed_in_either_order(closed_first: int) -> None:
    calls: list[int] = []
    loops = [EventLoop(), EventLoop()]
    for number, loop in enumerate(loops):
        loop.add_signal_handler(USR1, calls.append, number)
    loops[closed_first].close()
    left = loops[1 - closed_first]
    signal.raise_signal(USR1)
    left.run_once(0)
    left.close()
    assert calls == [1 - closed_first]
    assert signal.getsignal(USR1) == signal.SIG_DFL


def test_a_handler_that_somebody_else_has_put_in_its_place_is_left_alone(real: EventLoop) -> None:
    calls: list[str] = []
    real.add_signal_handler(USR1, calls.append, "ours")
    signal.signal(USR1, lambda signum, frame: calls.append("theirs"))
    real.remove_signal_handler(USR1)
    signal.raise_signal(USR1)
    signal.signal(USR1, signal.SIG_DFL)
    assert calls == ["theirs"]


def test_a_loop_closed_on_another_thread_passes_its_signals_on() -> None:
    calls: list[str] = []
    signal.signal(USR1, lambda signum, frame: calls.append("before"))
    loop = EventLoop()
    loop.add_signal_handler(USR1, calls.append, "ours")
    closer = threading.Thread(target=loop.close)
    closer.start()
    closer.join(PATIENCE)
    assert loop.is_closed()
    signal.raise_signal(USR1)
    signal.raise_signal(USR1)
    signal.signal(USR1, signal.SIG_DFL)
    assert calls == ["before", "before"]


# --- Ctrl-C


def test_the_first_interrupt_lets_run_return_when_the_turn_is_complete(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(interrupt)
    loop.call_soon(calls.append, "same turn")
    assert outcome(loop) == "returned"
    assert calls == ["same turn"]


def test_an_interrupt_wakes_a_loop_that_sleeps(real: EventLoop, run: Callable[[EventLoop], None]) -> None:
    killer = threading.Thread(target=real.call_soon_threadsafe, args=(os.kill, os.getpid(), INT))
    killer.start()
    run(real)
    killer.join(PATIENCE)


def test_after_the_first_interrupt_the_loop_can_run_again(loop: EventLoop) -> None:
    calls: list[str] = []
    for name in ("first", "second"):
        loop.call_soon(interrupt)
        assert outcome(loop) == "returned"
        loop.call_soon(lambda name=name: loop.call_soon(lambda: (calls.append(name), loop.stop())))
        assert outcome(loop) == "returned"
    assert calls == ["first", "second"]


def test_a_second_interrupt_from_a_later_callback_of_the_turn_raises_and_nothing_is_lost(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(interrupt)
    loop.call_soon(interrupt)
    loop.call_soon(calls.append, "left")
    assert outcome(loop) == "interrupted"
    assert calls == []
    loop.stop()
    assert outcome(loop) == "returned"
    assert calls == ["left"]


@pytest.mark.parametrize("way", ["defer_flush", "defer_close"])
def test_a_second_interrupt_while_the_last_turn_is_wound_up_raises_and_nothing_is_lost(
    loop: EventLoop, way: str
) -> None:
    calls: list[str] = []

    def first() -> None:
        interrupt()
        getattr(loop, way)(interrupt)
        getattr(loop, way)(lambda: calls.append("left"))

    loop.call_soon(first)
    assert outcome(loop) == "interrupted"
    assert calls == []
    loop.stop()
    assert outcome(loop) == "returned"
    assert calls == ["left"]


def test_a_second_interrupt_while_a_callback_is_busy_raises(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(interrupt, 2)
    loop.call_soon(calls.append, "left")
    loop.call_soon(loop.stop)
    assert outcome(loop) == "interrupted"
    assert calls == []
    assert outcome(loop) == "returned"
    assert calls == ["left"]


def test_an_interrupt_that_one_run_has_taken_doesnt_stop_the_next(loop: EventLoop) -> None:
    calls: list[str] = []

    def stop_and_interrupt() -> None:
        loop.stop()
        interrupt()

    loop.call_soon(stop_and_interrupt)
    assert outcome(loop) == "returned"
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append("second turn"), loop.stop())))
    assert outcome(loop) == "returned"
    assert calls == ["second turn"]


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, SystemExit])
def test_handlers_and_wakeup_fd_are_as_before_after_run(loop: EventLoop, end: type[BaseException] | None) -> None:
    during: list[object] = []

    def leave() -> None:
        during.extend([signal.getsignal(INT), wakeup_fd()])
        if end is not None:
            raise end
        loop.stop()

    before = [signal.getsignal(INT), wakeup_fd()]
    loop.call_soon(leave)
    if end is None:
        loop.run()
    else:
        with pytest.raises(end):
            loop.run()
    assert [signal.getsignal(INT), wakeup_fd()] == before
    assert during[0] != before[0]
    assert during[1] != before[1]


def test_an_interrupt_at_any_step_of_a_run_leaves_all_in_order(script: Callable[[str], tuple[str, str]]) -> None:
    out, _ = script("""
        import signal, sys
        from reactor import EventLoop

        def run_interrupted(loop, step):
            \"\"\"Run the loop with one SIGINT at its n-th step; tell whether it has so many.\"\"\"
            steps = iter(range(step))
            met = []

            def interrupt(frame, event, arg):
                if frame.f_code is EventLoop.run.__code__ and event == "return":
                    sys.setprofile(None)
                elif next(steps, None) is None:
                    sys.setprofile(None)
                    met.append(f"step {step}: {frame.f_code.co_name}:{frame.f_lineno} {event}")
                    signal.raise_signal(signal.SIGINT)

            try:
                sys.setprofile(interrupt)
                loop.run()
            except KeyboardInterrupt:
                pass  # before the loop took the signal, or after it gave it back
            return met

        def check(step):
            calls = []
            with EventLoop() as loop:
                loop.call_soon(calls.append, "first")
                loop.call_soon(lambda: again or loop.stop())
                again = False
                met = run_interrupted(loop, step)
                again = True
                assert not loop.is_running(), met
                loop.call_soon(lambda: loop.call_soon(lambda: (calls.append("second"), loop.stop())))
                loop.run()
                assert calls == ["first", "second"], (met, calls)
                assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, met
            assert signal.set_wakeup_fd(-1) == -1, met
            return met

        signal.signal(signal.SIGINT, signal.default_int_handler)
        step = 0
        while check(step):
            step += 1
        print(step > 20)
    """)
    assert out == "True\n"


def test_a_handler_of_ones_own_for_interrupts_is_left_alone(loop: EventLoop) -> None:
    calls: list[str] = []

    def mine(signum: int, frame: object) -> None:
        calls.append("mine")

    before = signal.signal(INT, mine)
    loop.call_soon(interrupt, 2)
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append("went on"), loop.stop())))
    assert outcome(loop) == "returned"
    assert calls == ["mine", "mine", "went on"]
    assert signal.signal(INT, before) is mine


def test_ignored_interrupts_stay_ignored(loop: EventLoop) -> None:
    calls: list[str] = []
    before = signal.signal(INT, signal.SIG_IGN)
    loop.call_soon(interrupt, 2)
    loop.call_soon(lambda: loop.call_soon(lambda: (calls.append("went on"), loop.stop())))
    assert outcome(loop) == "returned"
    assert calls == ["went on"]
    assert signal.signal(INT, before) == signal.SIG_IGN


def test_a_loops_own_handler_for_interrupts_replaces_stopping(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.add_signal_handler(INT, calls.append, "interrupt")
    loop.call_soon(interrupt, 2)
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(loop.stop)))
    assert outcome(loop) == "returned"
    assert calls == ["interrupt", "interrupt"]
    assert loop.remove_signal_handler(INT) is True


def test_a_loops_own_handler_for_interrupts_may_come_and_stay_while_it_runs(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(loop.add_signal_handler, INT, calls.append, "interrupt")
    loop.call_soon(interrupt)
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(loop.stop)))
    assert outcome(loop) == "returned"
    interrupt()
    loop.run_once(0)
    assert calls == ["interrupt", "interrupt"]
    assert loop.remove_signal_handler(INT) is True
    assert signal.getsignal(INT) is signal.default_int_handler


def test_removing_a_handler_for_interrupts_while_the_loop_runs_gives_them_back_to_the_run(loop: EventLoop) -> None:
    loop.call_soon(loop.add_signal_handler, INT, pytest.fail, "a removed handler was called")
    loop.call_soon(loop.remove_signal_handler, INT)
    loop.call_soon(interrupt)
    assert outcome(loop) == "returned"


def test_a_handler_of_ones_own_that_is_set_while_the_loop_runs_stays(loop: EventLoop) -> None:
    calls: list[str] = []

    def mine(signum: int, frame: object) -> None:
        calls.append("mine")

    loop.call_soon(signal.signal, INT, mine)
    loop.call_soon(loop.stop)
    assert outcome(loop) == "returned"
    left = signal.signal(INT, signal.default_int_handler)
    assert left is mine


def test_an_interrupt_outside_run_is_pythons_own_matter(loop: EventLoop) -> None:
    calls: list[str] = []
    loop.call_soon(interrupt)
    loop.call_soon(calls.append, "left")
    with pytest.raises(KeyboardInterrupt):
        loop.run_once(0)
    loop.run_once(0)
    assert calls == ["left"]


def test_a_loop_runs_off_the_main_thread_and_leaves_signals_alone() -> None:
    seen: list[object] = []
    with EventLoop() as loop:
        loop.call_soon(lambda: (seen.append(signal.getsignal(INT)), loop.stop()))
        runner = threading.Thread(target=loop.run)
        runner.start()
        runner.join(PATIENCE)
        assert not runner.is_alive()
    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize("refused", ["signal", "set_wakeup_fd"])
def test_a_loop_runs_where_signals_are_not_to_be_had(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> int:
        raise ValueError(f"{refused} only works in main thread of the main interpreter")

    calls: list[int] = []
    loop.call_soon(calls.append, 1)
    loop.stop()
    with monkeypatch.context() as patch:
        patch.setattr(signal, refused, refuse)
        patch.setattr("reactor.loop.signals._hang", refuse)
        loop.run()
    assert calls == [1]


def test_an_interrupt_stops_a_loop_that_runs_inside_another_and_that_one(loop: EventLoop) -> None:
    ended: list[str] = []
    with EventLoop() as inner:

        def run_inside() -> None:
            ended.append(outcome(inner))

        inner.call_soon(interrupt)
        loop.call_soon(run_inside)
        ended.append(outcome(loop))
    assert ended == ["returned", "returned"]


def test_a_second_interrupt_in_the_midst_of_the_library_is_kept_until_the_turn_is_over(loop: EventLoop) -> None:
    calls: list[str] = []

    library: dict[str, Any] = {"__name__": "logging", "calls": calls}  # whose code is nobody's on its own
    exec(
        textwrap.dedent("""
            import signal, sys

            def interrupt_between_lines(frame, event, arg):
                if event == "call" and frame.f_code.co_name == "call_exception_handler":
                    sys.setprofile(None)
                    signal.raise_signal(signal.SIGINT)
                    signal.raise_signal(signal.SIGINT)
        """),
        library,
    )

    def fail() -> None:
        sys.setprofile(library["interrupt_between_lines"])
        raise ValueError

    loop.set_exception_handler(lambda loop, context: calls.append("reported"))
    loop.call_soon(fail)
    loop.call_soon(calls.append, "same turn")
    assert outcome(loop) == "interrupted"
    assert calls == ["reported", "same turn"]


def test_a_program_that_is_interrupted_ends_in_good_order() -> None:
    program = """
import signal
from reactor import EventLoop

signal.signal(signal.SIGINT, signal.default_int_handler)
with EventLoop() as loop:
    loop.call_later(20, exit, 1)
    loop.call_soon(lambda: print("running", flush=True))
    loop.run()
    print("in good order", flush=True)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert select.select([running.stdout], [], [], PATIENCE)[0]
        assert running.stdout.readline() == "running\n"
        running.send_signal(INT)
        assert running.communicate(timeout=PATIENCE) == ("in good order\n", "")
    assert running.returncode == 0


def test_a_program_whose_callback_never_ends_can_be_interrupted(script: Callable[[str], tuple[str, str]]) -> None:
    out, _ = script("""
        import os, signal
        from reactor import EventLoop

        def never_end():
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            while True:
                pass

        def interrupt(signum, frame):
            interrupts.append(signum)
            if len(interrupts) > 50:
                os._exit(1)
            signal.raise_signal(signal.SIGINT)
            signal.setitimer(signal.ITIMER_REAL, 0.01)  # not reached once SIGINT raises

        interrupts = []
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, interrupt)
        with EventLoop() as loop:
            loop.call_soon(never_end)
            try:
                loop.run()
            except KeyboardInterrupt:
                print("interrupted after", len(interrupts))
    """)
    assert out == "interrupted after 2\n"


def test_call_soon_threadsafe_may_be_used_in_a_signal_handler(script: Callable[[str], tuple[str, str]]) -> None:
    out, _ = script("""
        import faulthandler, signal, sys
        from reactor import EventLoop

        def handle(signum, frame):
            loop.call_soon_threadsafe(calls.append, "from the handler")

        calls = []
        faulthandler.dump_traceback_later(10, exit=True)
        signal.signal(signal.SIGUSR1, handle)
        with EventLoop() as loop:
            sys.setprofile(lambda frame, event, arg: signal.raise_signal(signal.SIGUSR1))  # at every single step
            loop.call_soon_threadsafe(calls.append, "interrupted")
            sys.setprofile(None)
            loop.run_once(0)
        print(set(calls) == {"from the handler", "interrupted"})
    """)
    assert out == "True\n"
