"""Signals: delivered on the loop, never lost; Ctrl-C ends a run in good order; what was there before is there after."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import run_until, wakeup_fd

from reactor import EventLoop

PATIENCE = 20.0
USR1, USR2, INT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT

pytestmark = pytest.mark.usefixtures("python_handlers")


# --- handlers


def test_a_signal_calls_its_handler_with_its_arguments_on_the_loop(real: EventLoop) -> None:
    calls: list[tuple[object, ...]] = []
    real.add_signal_handler(USR1, lambda *args: calls.append(args), 1, "two")
    signal.raise_signal(USR1)
    assert calls == []
    real.run_once(0)
    assert calls == [(1, "two")]


def test_a_signal_has_a_number_and_no_name(real: EventLoop) -> None:
    with pytest.raises(TypeError, match=r"signum is 'SIGUSR1', it must be a number such as signal.SIGTERM"):
        real.add_signal_handler("SIGUSR1", print)  # type: ignore[arg-type]


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
    real.add_signal_handler(USR1, print)
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
