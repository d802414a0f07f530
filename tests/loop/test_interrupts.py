"""Interrupts: Ctrl-C ends a run in good order, and nothing is lost wherever an exception comes out of nowhere."""

import collections
import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import wakeup_fd
from interruption import Interruption, interrupt_twice, raise_out_of_nowhere

from reactor import EventLoop

PATIENCE = 20.0
INT = signal.SIGINT

pytestmark = pytest.mark.usefixtures("python_handlers")


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

    def interrupt_between_lines(frame: Any, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_name == "call_exception_handler":
            sys.setprofile(None)
            interrupt(2)

    def fail() -> None:
        sys.setprofile(interrupt_between_lines)
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


# --- anywhere


class OneOfEach:
    """A loop with one of everything that a turn may have to do."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.loop = EventLoop()
        self.one, self.other = socket.socketpair()
        self.one.setblocking(False)
        self.loop.add_reader(self.one, self._read)
        self.other.send(b"x")
        for name in ("soon", "soon too"):
            self.loop.call_soon(self.note, name)
        self.loop.call_soon(self.loop.defer_flush, lambda: self.note("flush"))
        self.loop.call_soon(self.loop.defer_close, lambda: self.note("close"))
        self.loop.call_after_look(self.note, "looked")
        for name in ("timer", "timer too"):
            self.loop.call_later(0, self.note, name)
        self.loop.call_later(0, self.note, "cancelled").cancel()
        self.every = self.loop.call_every(1e-9, self.note, "every")
        self.loop.call_soon_threadsafe(self.note, "threadsafe")

    def note(self, name: str) -> None:
        self.calls[name] += 1

    def _read(self) -> None:
        self.one.recv(1)
        self.note("reader")

    def settle(self) -> dict[str, int]:
        """Let all that is left happen; return what was called."""
        for _ in range(4):
            self.loop.run_once(0)
        del self.calls["every"]
        self.loop.run_once(0)
        assert self.calls.pop("every") == 1
        self.every.cancel()
        return dict(self.calls)

    def close(self) -> None:
        self.loop.close()
        self.one.close()
        self.other.close()


ONCE = ["reader", "soon", "soon too", "flush", "close", "looked", "timer", "timer too", "threadsafe"]


def run_through(loop: EventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run()


def make_a_turn(loop: EventLoop) -> None:
    loop.run_once(0)


@pytest.mark.parametrize("act", [raise_out_of_nowhere, interrupt_twice])
@pytest.mark.parametrize("run", [run_through, make_a_turn])
def test_nothing_is_lost_wherever_a_turn_is_interrupted(
    run: Callable[[EventLoop], None], act: Callable[[], None]
) -> None:
    for number in itertools.count():
        each = OneOfEach()
        interruption = Interruption(number, act)
        with contextlib.suppress(KeyboardInterrupt), interruption:
            run(each.loop)
        where = interruption.met
        assert not each.loop.is_running(), where
        assert (signal.getsignal(INT), wakeup_fd()) == (signal.default_int_handler, -1), where
        assert each.settle() == dict.fromkeys(ONCE, 1), where
        assert each.loop.stats()["timers"] == each.loop.stats()["ready"] == 0, where
        each.close()
        if not where:
            break
    assert number > 30
