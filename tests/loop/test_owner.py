"""Who may call: while the loop runs its own thread alone, but for what leaves a call, and what only asks."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import elsewhere, elsewhere_in_a_turn, run_until

from reactor import EventLoop

PATIENCE = 20.0
Use = Callable[[EventLoop, socket.socket], object]

USES: dict[str, Use] = {
    "run": lambda loop, sock: loop.run(),
    "run_once": lambda loop, sock: loop.run_once(0),
    "close": lambda loop, sock: loop.close(),
    "call_soon": lambda loop, sock: loop.call_soon(pytest.fail),
    "call_after_look": lambda loop, sock: loop.call_after_look(pytest.fail),
    "call_later": lambda loop, sock: loop.call_later(0, pytest.fail),
    "call_at": lambda loop, sock: loop.call_at(0, pytest.fail),
    "call_every": lambda loop, sock: loop.call_every(1, pytest.fail),
    "run_in_thread": lambda loop, sock: loop.run_in_thread(pytest.fail),
    "run_in_daemon": lambda loop, sock: loop.run_in_daemon(pytest.fail, on_done=pytest.fail),
    "add_reader": lambda loop, sock: loop.add_reader(sock, pytest.fail),
    "add_writer": lambda loop, sock: loop.add_writer(sock, pytest.fail),
    "remove_reader": lambda loop, sock: loop.remove_reader(sock),
    "remove_writer": lambda loop, sock: loop.remove_writer(sock),
    "add_signal_handler": lambda loop, sock: loop.add_signal_handler(signal.SIGUSR1, pytest.fail),
    "remove_signal_handler": lambda loop, sock: loop.remove_signal_handler(signal.SIGUSR1),
    "set_exception_handler": lambda loop, sock: loop.set_exception_handler(None),
    "call_exception_handler": lambda loop, sock: loop.call_exception_handler({}),
    "stats": lambda loop, sock: loop.stats(),
}
HARMLESS: dict[str, Use] = {  # the same, where they are taken
    "call_soon": lambda loop, sock: loop.call_soon(id, 0),
    "run_in_thread": lambda loop, sock: loop.run_in_thread(int),
    "run_in_daemon": lambda loop, sock: loop.run_in_daemon(int, on_done=id),
    "call_exception_handler": lambda loop, sock: loop.set_exception_handler(print),
}
ASKS: dict[str, Callable[[EventLoop], object]] = {
    "stop": EventLoop.stop,
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(id, 0),
    "time": EventLoop.time,
    "is_running": EventLoop.is_running,
    "is_closed": EventLoop.is_closed,
}


@pytest.fixture
def one(pair: tuple[socket.socket, socket.socket]) -> socket.socket:
    return pair[0]


def wrong(name: str) -> str:
    return f"{name}() on another thread than the loop runs on: use call_soon_threadsafe()"


@pytest.mark.parametrize("name", USES)
def test_while_a_turn_is_made_another_thread_is_told_at_once(loop: EventLoop, one: socket.socket, name: str) -> None:
    raised = elsewhere_in_a_turn(loop, lambda: USES[name](loop, one))
    assert isinstance(raised, RuntimeError)
    assert str(raised) == wrong(name)
    loop.run_once(0)
    assert loop.stats()["ready"] == loop.stats()["timers"] == loop.stats()["watched"] == 0


@pytest.mark.parametrize("name", USES)
def test_so_it_is_while_the_loop_sleeps_on_a_thread_of_its_own(one: socket.socket, name: str) -> None:
    loop, runs = EventLoop(), threading.Event()
    loop.call_soon(runs.set)
    runner = threading.Thread(target=loop.run)
    runner.start()
    assert runs.wait(PATIENCE)
    try:
        with pytest.raises(RuntimeError) as caught:
            USES[name](loop, one)
        assert str(caught.value) == wrong(name)
    finally:
        loop.stop()
        runner.join(PATIENCE)
        loop.close()


@pytest.mark.parametrize("name", ASKS)
def test_what_leaves_a_call_or_only_asks_may_come_from_any_thread(loop: EventLoop, name: str) -> None:
    assert elsewhere_in_a_turn(loop, lambda: ASKS[name](loop)) is None


@pytest.mark.parametrize("name", [name for name in USES if "signal" not in name])
def test_while_nobody_runs_it_any_thread_may_use_it(one: socket.socket, name: str) -> None:
    loop = EventLoop()
    loop.stop()
    assert elsewhere(lambda: HARMLESS.get(name, USES[name])(loop, one)) is None
    loop.close()


@pytest.mark.parametrize("name", USES)
def test_whoever_runs_it_owns_it_and_so_does_the_next(one: socket.socket, name: str) -> None:
    with EventLoop() as loop:
        assert elsewhere(lambda: loop.run_once(0)) is None
        raised = elsewhere_in_a_turn(loop, lambda: USES[name](loop, one))
        assert str(raised) == wrong(name)


def test_a_loop_made_and_run_on_another_thread_may_be_closed_here() -> None:
    made: list[EventLoop] = []

    def make() -> None:
        made.append(EventLoop())
        made[0].call_soon(made[0].stop)
        made[0].run()

    assert elsewhere(make) is None
    made[0].close()
    assert made[0].is_closed()


def test_a_closed_loop_says_that_it_is_closed_on_every_thread(loop: EventLoop) -> None:
    loop.close()
    raised = elsewhere(lambda: loop.call_soon(print))
    assert str(raised) == "the loop is closed"
    assert elsewhere(loop.close) is None


def test_a_loop_may_run_inside_another_and_each_is_its_threads_own(loop: EventLoop) -> None:
    calls: list[str] = []
    with EventLoop() as inner:

        def run_inner() -> None:
            inner.call_soon(inner.stop)
            inner.run()
            loop.call_soon(calls.append, "outer")
            inner.call_soon(calls.append, "inner")
            inner.run_once(0)

        loop.call_soon(run_inner)
        loop.run_once(0)
        loop.run_once(0)
    assert calls == ["inner", "outer"]


def test_a_signal_handler_of_the_main_thread_may_use_the_loop_that_it_interrupts(real: EventLoop) -> None:
    calls: list[str] = []

    def use(signum: int, frame: Any) -> None:
        real.call_soon(calls.append, "from the handler")

    before = signal.signal(signal.SIGUSR1, use)
    try:
        real.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
        run_until(real, lambda: calls)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert calls == ["from the handler"]


def test_a_stop_from_another_thread_ends_a_single_turn_that_waits(real: EventLoop) -> None:
    late: list[bool] = []
    guard = real.call_later(PATIENCE, late.append, True)
    stopper = threading.Thread(target=real.stop)
    real.call_soon(stopper.start)
    real.run_once()
    real.run_once()
    stopper.join(PATIENCE)
    guard.cancel()
    assert not late
