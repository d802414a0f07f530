"""Forks: a child gives up its parent's loops without a word; the parent's go on; a new one works in the child."""

import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import Fork, in_child, open_files, wakeup_fd

from reactor import EventLoop
from reactor.loop.interrupts import Interrupts

NAMED = "RuntimeError: the loop is closed: it was abandoned in a child of fork(); make a new one there"
USR1, TERM, INT = signal.SIGUSR1, signal.SIGTERM, signal.SIGINT
Script = Callable[[str], tuple[str, str]]
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """Let the signals have Python's own handlers, whoever started the tests."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (USR1, TERM)}
    before[INT] = signal.signal(INT, signal.default_int_handler)
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


# --- what a child is told

USES: dict[str, Callable[[EventLoop], object]] = {
    "run": lambda loop: loop.run(),
    "run_once": lambda loop: loop.run_once(0),
    "call_soon": lambda loop: loop.call_soon(print),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_every": lambda loop: loop.call_every(1, print),
    "call_after_look": lambda loop: loop.call_after_look(print),
    "run_in_thread": lambda loop: loop.run_in_thread(print),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "add_signal_handler": lambda loop: loop.add_signal_handler(USR1, print),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_who_uses_the_parents_loop_in_a_child_is_told_of_the_fork(
    real: EventLoop, use: Callable[[EventLoop], object]
) -> None:
    assert in_child(lambda: use(real)) == NAMED
    assert not real.is_closed()


def test_a_loop_that_was_closed_before_the_fork_is_just_closed(real: EventLoop) -> None:
    real.close()
    assert in_child(lambda: real.run()) == "RuntimeError: the loop is closed"


def test_in_a_child_the_parents_loop_is_closed_and_may_be_closed_and_stopped(real: EventLoop) -> None:
    def look() -> object:
        real.stop()
        real.close()
        return real.is_closed(), real.is_running(), real.stats()["watched"]

    assert in_child(look) == "(True, False, 0)"


def test_a_lock_that_another_thread_held_at_the_fork_holds_up_nobody_in_the_child(script: Script) -> None:
    out, _ = script(
        """
        import os, threading, warnings
        from reactor import EventLoop
        warnings.simplefilter("ignore")  # later Pythons warn of a fork beside threads

        with EventLoop() as loop:
            inside, forked, wake = threading.Event(), threading.Event(), loop._waker.wake
            loop._waker.wake = lambda: (inside.set(), forked.wait(), wake())
            thread = threading.Thread(target=loop.call_soon_threadsafe, args=(print, "told"))
            thread.start()
            inside.wait()
            if os.fork() == 0:
                try:
                    loop.call_soon_threadsafe(print)
                except RuntimeError as exc:
                    print(exc, flush=True)
                os._exit(0)
            os.wait()
            forked.set()
            thread.join()
            loop.run_once()
        """
    )
    assert out.splitlines() == [NAMED.partition(": ")[2], "told"]


# --- a child that returns from a callback


def watching(loop: EventLoop, pair: Pair, call: Callable[[], object]) -> None:
    one, other = pair
    other.send(b"x")
    loop.add_reader(one, lambda: (one.recv(1), call()))


PLACES: dict[str, Callable[[EventLoop, Pair, Callable[[], object]], object]] = {
    "a file's callback": watching,
    "a timer": lambda loop, _, call: loop.call_later(0, call),
    "a repeating timer": lambda loop, _, call: loop.call_every(1e-9, call),
    "a call": lambda loop, _, call: loop.call_soon(call),
    "a flush": lambda loop, _, call: loop.defer_flush(call),
    "a call behind a look": lambda loop, _, call: loop.call_after_look(call),
    "an end": lambda loop, _, call: loop.defer_close(call),
}


def forking(fork: Fork, loop: EventLoop, pair: Pair, calls: list[str]) -> Callable[[], None]:
    """Return a callback that forks once, and sees to it that there is something of every kind behind it."""

    def note(name: str) -> Callable[[], object]:
        return lambda: calls.append(name)

    def callback() -> None:
        if fork.called:
            return
        one, other = pair
        other.send(b"x")
        loop.add_writer(one, lambda: (loop.remove_writer(one), calls.append("writer")))
        for name, place in list(PLACES.items())[1:]:
            place(loop, pair, note(name))
        loop.call_soon(loop.stop)
        fork()

    return callback


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("turns", ["run", "run_once"])
def test_a_child_that_returns_from_a_callback_does_nothing_of_the_rest_and_leaves(
    real: EventLoop, pair: Pair, turns: str, place: Any
) -> None:
    calls: list[str] = []
    with Fork() as fork:
        place(real, pair, forking(fork, real, pair, calls))
        try:
            while not fork.called:
                getattr(real, turns)()
        except RuntimeError as exc:
            fork.said = exc, calls
    assert fork.heard() == str((RuntimeError(NAMED.partition(": ")[2]), []))


def test_the_parent_goes_on_with_the_rest(real: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    with Fork() as fork:
        watching(real, pair, forking(fork, real, pair, calls))
        real.run()
        real.run_once(0)
    assert fork.heard() == NAMED
    assert {*calls} == {"writer", *list(PLACES)[1:]}


def test_a_child_that_stops_the_loop_and_returns_is_told_of_the_fork(real: EventLoop) -> None:
    with Fork() as fork:
        real.call_soon(lambda: real.call_soon(lambda: (fork(), real.stop())))
        real.run()
    assert fork.heard() == NAMED


def test_a_child_that_raises_systemexit_in_a_callback_leaves_with_that(real: EventLoop) -> None:
    with Fork() as fork:

        def callback() -> None:
            fork()
            if fork.child:
                raise SystemExit("the child's")
            real.stop()

        real.call_soon(callback)
        real.run()
    assert fork.heard() == "SystemExit: the child's"


# --- the kernel's side


def test_nothing_of_a_loop_is_open_in_a_child(pair: Pair) -> None:
    before = open_files()
    with EventLoop() as loop, EventLoop(selectors.SelectSelector()) as other:
        loop.watch_end(pair[0], print)
        other.add_reader(pair[1], print)
        with Fork() as fork:
            fork()
            fork.said = {each: open_files().get(each) for each in before} == before, len(open_files()) - len(before)
        assert fork.heard() == "(True, 1)"  # the pipe that it says so by


def test_what_the_parent_watches_it_goes_on_to_watch(real: EventLoop, pair: Pair) -> None:
    one, other = pair
    came: list[bytes] = []
    real.add_reader(one, lambda: came.append(one.recv(10)))
    assert in_child(lambda: real.remove_reader(one)) == "False"
    other.send(b"x")
    real.run_once()
    assert came == [b"x"]


def test_an_end_that_the_parent_waits_for_is_told_there(real: EventLoop, pair: Pair) -> None:
    told: list[str] = []
    real.watch_end(pair[0], lambda: told.append("the end"))
    in_child(life)
    pair[1].close()
    real.run_once()
    assert told == ["the end"]


class Failing(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Doesn't let itself be closed in a child."""

    home = os.getpid()

    def close(self) -> None:
        if os.getpid() != self.home:
            raise ValueError("this selector is never closed")
        super().close()


def test_a_selector_that_cannot_be_closed_leaves_no_other_loop_as_it_was(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "home", os.getpid())
    with EventLoop() as first, EventLoop(Failing()), EventLoop() as last:
        closed = in_child(lambda: (first.is_closed(), last.is_closed(), caplog.messages))
    assert closed.startswith("(True, True, [\"a loop can't be abandoned in a child of fork()")


def test_a_registration_of_somebody_else_in_a_selector_is_let_alone(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    selector = selectors.DefaultSelector()
    selector.register(pair[0], selectors.EVENT_READ, "somebody else's")
    with EventLoop(selector) as first, EventLoop() as last:
        assert in_child(lambda: (first.is_closed(), last.is_closed(), caplog.messages)) == "(True, True, [])"


# --- signals


def test_a_signal_that_the_parents_loop_has_is_its_default_again_in_a_child(real: EventLoop) -> None:
    calls: list[int] = []
    real.add_signal_handler(TERM, calls.append, 1)
    with Fork() as fork:
        fork()
        if fork.child:
            signal.raise_signal(TERM)
    assert fork.heard() == ""
    real.run_once(0)
    assert calls == []


def test_a_signal_goes_to_whose_it_was_before_the_loops(real: EventLoop) -> None:
    calls: list[int] = []
    signal.signal(USR1, lambda signum, _: calls.append(signum))
    with EventLoop() as other:
        real.add_signal_handler(USR1, print)
        other.add_signal_handler(USR1, print)
        assert in_child(lambda: (signal.raise_signal(USR1), calls)) == f"(None, [{USR1:d}])"
        assert signal.getsignal(USR1) == other._signals._on_signal


def test_an_interrupt_in_a_child_of_a_running_loop_is_pythons_again(real: EventLoop) -> None:
    with Fork() as fork:

        def callback() -> None:
            fork()
            real.stop()
            if fork.child:
                signal.raise_signal(INT)

        real.call_soon(callback)
        real.run()
    assert fork.heard() == "KeyboardInterrupt: "


def test_a_signal_that_comes_to_a_child_at_its_very_beginning_is_not_the_loops(real: EventLoop) -> None:
    """Python forgets a signal that came between fork() and the first line that the child runs."""
    real.add_signal_handler(TERM, print)
    for _ in range(30):
        with Fork() as fork:
            fork()
            if fork.child:
                signal.pause()
            os.kill(fork.pid, TERM)
        assert fork.heard() == ""
    assert real.stats()["wakeups"] == 0


def test_a_fork_leaves_the_mask_of_signals_as_it_was(real: EventLoop) -> None:
    real.add_signal_handler(TERM, print)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert in_child(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []) == before) == "True"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_a_fork_goes_well_behind_a_signal_that_there_is_not(real: EventLoop) -> None:
    with pytest.raises(ValueError, match="signal number out of range"):
        real.add_signal_handler(10_000, print)
    real.add_signal_handler(TERM, print)
    assert in_child(lambda: signal.getsignal(TERM) == signal.SIG_DFL) == "True"


def test_a_childs_signals_do_not_ring_the_parents_bell(real: EventLoop) -> None:
    signal.signal(USR1, lambda *_: None)
    with Fork() as fork:

        def callback() -> None:
            fork()
            if fork.child:
                signal.raise_signal(USR1)
                raise SystemExit(wakeup_fd())

        real.call_soon(callback)
        real.run_once(0)
    assert fork.heard() == "SystemExit: -1"
    real.run_once(0)
    assert real.stats()["events"] == 0


def test_of_loops_that_run_one_in_another_no_bell_hangs_in_a_child(real: EventLoop) -> None:
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    hung = signal.set_wakeup_fd(writing.fileno())
    try:
        with EventLoop() as inner, Fork() as fork:
            inner.call_soon(lambda: (fork(), inner.stop()))
            real.call_soon(lambda: (fork.pid or inner.run(), real.stop()))
            try:
                real.run()
            except RuntimeError:
                fork.said = wakeup_fd() in (writing.fileno(), -1)  # asyncio's own hook takes it down, from 3.12 on
        assert fork.heard() == "True"
    finally:
        signal.set_wakeup_fd(hung)
        reading.close()
        writing.close()


def test_a_fork_in_a_thread_beside_the_loops_leaves_its_child_nothing_of_it(script: Script) -> None:
    out, _ = script(
        """
        import os, signal, threading, warnings
        from reactor import EventLoop
        warnings.simplefilter("ignore")  # later Pythons warn of a fork beside threads

        def fork():
            if os.fork() == 0:
                print(loop.is_closed(), loop.is_running(), signal.set_wakeup_fd(-1))
                print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
                signal.raise_signal(signal.SIGTERM)
            print(signal.Signals(os.wait()[1]).name)
            loop.call_soon_threadsafe(loop.stop)

        with EventLoop() as loop:
            loop.add_signal_handler(signal.SIGTERM, print, "the parent's")
            thread = threading.Thread(target=fork)
            loop.call_soon(thread.start)
            loop.run()
            thread.join()
        """
    )
    assert out.split() == ["True", "False", "-1", "True", "SIGTERM"]


# --- a new loop


def life() -> list[str]:
    """What a loop does that works: calls, threads, signals."""
    calls: list[str] = []
    with EventLoop() as loop:
        loop.add_signal_handler(USR1, lambda: (calls.append("signal"), loop.stop()))
        loop.call_soon(calls.append, "soon")
        loop.run_in_thread(str, "thread", on_done=lambda done: calls.append(done.result()) or signal.raise_signal(USR1))
        loop.run()
    return calls


def test_a_new_loop_works_in_a_child(real: EventLoop) -> None:
    real.add_signal_handler(USR1, print)
    assert in_child(life) == str(["soon", "thread", "signal"])


def test_a_new_loop_works_in_a_child_inside_of_a_turn_of_the_parents(real: EventLoop) -> None:
    real.run_in_thread(print).result()  # a pool whose threads the child has not
    with Fork() as fork:

        def callback() -> None:
            fork()
            if fork.child:
                raise SystemExit(life())

        real.call_soon(callback)
        real.run_once(0)
    assert fork.heard() == f"SystemExit: {['soon', 'thread', 'signal']}"


def test_a_new_loop_works_in_a_child_of_multiprocessing(script: Script) -> None:
    out, _ = script(
        """
        import multiprocessing, os, signal
        from reactor import EventLoop

        def work():
            with EventLoop() as loop:
                loop.add_signal_handler(signal.SIGUSR1, loop.stop)
                loop.run_in_thread(os.kill, os.getpid(), signal.SIGUSR1)
                loop.run()
            print("worked", flush=True)

        with EventLoop() as loop:
            loop.add_signal_handler(signal.SIGUSR1, print, "the parent's")
            process = multiprocessing.get_context("fork").Process(target=work)
            loop.call_soon(lambda: (process.start(), process.join(), loop.stop()))
            loop.run()
            print(process.exitcode)
        """
    )
    assert out.split() == ["worked", "0"]


def test_a_child_of_a_child_has_a_loop_of_its_own(real: EventLoop) -> None:
    def again() -> object:
        with EventLoop() as loop:
            loop.call_soon(loop.stop)
            return in_child(loop.run), in_child(life), loop.run(), in_child(real.run)

    assert in_child(again) == str((NAMED, str(["soon", "thread", "signal"]), None, NAMED))


def test_a_loop_that_another_hook_has_made_in_the_child_is_the_childs(script: Script) -> None:
    out, _ = script(
        """
        import os
        loops = []
        os.register_at_fork(after_in_child=lambda: loops.append(EventLoop()))
        from reactor import EventLoop

        with EventLoop():
            if os.fork() == 0:
                print(loops[0].is_closed(), flush=True)
                os._exit(0)
            os.wait()
        """
    )
    assert out == "False\n"


def test_an_interrupts_place_is_free_in_a_child(real: EventLoop) -> None:
    with Fork() as fork:
        real.call_soon(lambda: (fork(), real.stop()))
        try:
            real.run()
        except RuntimeError:
            fork.said = isinstance(getattr(signal.getsignal(INT), "__self__", None), Interrupts)
    assert fork.heard() == "False"
