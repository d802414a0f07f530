"""EventLoop: one thread that waits once and calls back. Law: it knows fds and callables, no protocol."""

from __future__ import annotations

import selectors
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import Any, NoReturn, TypeVar

from ..late import futures
from .files import Files
from .forks import remember
from .handle import Handle, check_plain, handle_of, refuse_uncallable
from .interrupts import Interrupts
from .look import FullLook
from .poller import default_selector
from .report import log_context
from .signals import Signals
from .stalls import Stalls, check_after
from .threads import Threads
from .timers import Timer, TimerQueue
from .wakeup import Waker
from .watch import Watch, nothing_to_do

_READ = selectors.EVENT_READ
_MOST_THREADS = 8  # for calls that wait, on files for one, not for calls that compute
_MOST_DAEMONS = 16  # a name server that is silent has each name wait for half a minute

T = TypeVar("T")
Loop = TypeVar("Loop", bound="EventLoop")
ExceptionHandler = Callable[["EventLoop", dict[str, Any]], object]


class EventLoop(Files):
    """Call back when a file object is ready, when a time has come, or soon.

    One thread runs it. While it does, another may call `call_soon_threadsafe()` and `stop()`, and ask for `time()`,
    `is_running()` and `is_closed()`; everything else raises RuntimeError there. In a child of fork() it is closed,
    without a word to anybody: make a new one there.
    `selector`: any `selectors.BaseSelector`, closed with the loop. `clock`: seconds, never going back.
    """

    def __init__(
        self, selector: selectors.BaseSelector | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not callable(clock):
            raise TypeError(f"clock is {clock!r}, it must be callable and return seconds")
        super().__init__(default_selector() if selector is None else selector, clock)
        self._waker = self._new_waker()
        self._bell = Watch(self._selector, self._waker, self._waker.drain, nothing_to_do)
        try:
            self._bell.want(_READ)
        except BaseException:
            self._waker.close()
            raise
        self._signals = Signals(self._waker, self._ready.append)
        self._interrupts = Interrupts(self.stop)
        self._threads = Threads(self.call_soon_threadsafe, _MOST_THREADS, daemon=False)
        self._daemons = Threads(self.call_soon_threadsafe, _MOST_DAEMONS, daemon=True)
        self._stalls = Stalls(self._poll, clock)
        self._exception_handler: ExceptionHandler | None = None
        self._inbox = threading.RLock()  # held while another thread, or a signal handler, leaves a call
        self._reports = 0
        self.counts: dict[str, int] = defaultdict(int)  # what transports count, by the names in `Reactor.stats()`
        remember(self)

    _new_waker: Callable[[], Waker] = Waker  # for who is woken in another way

    def run(self) -> None:
        """Make turns until `stop()`.

        On the main thread, while SIGINT has Python's default handler, the first SIGINT stops the loop and the second
        raises KeyboardInterrupt. KeyboardInterrupt and SystemExit leave with all state in order: `run()` again goes on.
        """
        if self._owner != get_ident():
            self._claim("run")
        if self._running:
            raise RuntimeError("the loop is running already")
        self._running = True
        try:
            self._interrupts.take()
            self._signals.hang_bell()
            self._make_turns()
        finally:
            try:
                self._give_back()
            finally:  # again, if a signal handler has raised in the midst of it
                self._running = self._stopping = False
                self._give_back()
        self._interrupts.raise_kept()
        self._check_open()  # as in run_once()

    def _give_back(self) -> None:
        """Give the bell and SIGINT to who had them. Idempotent. SIGINT last: from then on an interrupt raises."""
        self._signals.take_bell_down()
        self._interrupts.give_back()

    def _make_turns(self) -> None:
        """Make turns until one was stopped. The first takes what was left outside of turns."""
        self.run_once()
        self._in_turn = True
        try:
            self._whole = False
            while not self._stopping:
                self._turn(None)
            self._whole = True
        finally:
            self._in_turn = False
            try:
                self._stalls.turn_ended()
            finally:
                self._stalls.began = None

    def run_once(self, timeout: float | None = None) -> None:
        """Make one turn; wait at most `timeout` seconds for something to happen (None: as long as it takes)."""
        if self._owner != get_ident():
            self._claim("run_once")
        if self._in_turn:
            raise RuntimeError("a turn can't be made from inside a turn")
        self._in_turn = True
        try:
            if self._signals.handles:
                self._signals.hang_bell()
            if not self._whole:
                self._mend()
            self._whole = False
            self._run_closes()  # what was written or closed outside a turn leaves before the poll, too
            self._turn(None if timeout is None else max(0, timeout))
            self._whole = True
        finally:
            self._in_turn = False
            if not self._running:
                self._stopping = False  # it counted for this turn
                if self._stalls.began is not None or self._signals.hung_on is not None:
                    try:
                        self._leave_turn()
                    finally:  # again, if a signal handler has raised in the midst of it
                        self._stalls.began = None
                        self._signals.take_bell_down()
        if self._abandoned:  # by a callback that has forked, and has come back in the child
            self._check_open()

    def _leave_turn(self) -> None:
        """Say that no turn is being made."""
        self._stalls.turn_ended()
        self._signals.take_bell_down()

    def stop(self) -> None:
        """Let `run()` return when this turn is complete; before `run()`: after one turn that doesn't wait.

        From any thread, and from a signal handler.
        """
        self._stopping = True
        if self._running or (self._in_turn and self._owner not in (get_ident(), None)):
            self._waker.wake()

    def close(self) -> None:
        """Let go of everything. Idempotent; not from inside a turn."""
        self.check_thread("close")
        if self._closed:
            return
        if self._in_turn:
            raise RuntimeError("a running loop can't be closed: stop() it first")
        if self.host is not None:
            self.host.detach()
        with self._inbox:
            self._closed = True
            self._owner = None
        self._stalls.end()
        self._threads.close()
        self._daemons.close()
        self._signals.close()
        for queue in (self._ready, self._due, self._flushes, self._closes):
            queue.clear()
        self._timers = TimerQueue()
        self._look = None
        self._ends.close()
        self._selector.close()
        self._waker.close()

    # --- behind a fork, in the child

    @property
    def _depth(self) -> int:
        """Where its bell hangs."""
        return self._signals.depth

    def _leave_signals(self) -> None:
        """Give signals and the bell to who had them before: the child's are none of a loop's that is the parent's."""
        self._signals.take_bell_down()
        self._signals.close()
        self._interrupts.give_back()

    def _abandon(self) -> None:
        """Be closed, without a word to the kernel. A turn that is under way goes on, and finds nothing to do."""
        if self._closed:
            return
        self._inbox = threading.RLock()  # whoever held the other one isn't here
        self._closed = self._abandoned = True
        self._owner = None
        self._running = False
        self._stalls.began = None
        self._waker.abandon()
        self._threads.abandon()
        self._daemons.abandon()
        self._forget_turn()
        self._poll = self._refuse_turn
        self._ends.abandon()
        for key in list((self._selector.get_map() or {}).values()):
            if isinstance(key.data, Watch):  # a selector that was given may have others
                key.data.abandon()
        with suppress(OSError):  # a kqueue isn't inherited
            self._selector.close()

    def _refuse_turn(self, timeout: float | None) -> NoReturn:
        """What a child that has returned from a callback meets when it polls."""
        self._check_open()
        raise AssertionError("unreachable")

    def __enter__(self: Loop) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- time and calls

    def time(self) -> float:
        """Return the clock's time in seconds."""
        return self._clock()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call in the next turn that finds it in the queue, first in first out. Loop thread only."""
        if self._owner != get_ident():
            self._refuse("call_soon")
        try:
            handle = Handle(callback, *args)
        except TypeError:
            refuse_uncallable(callback)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Do what `call_soon()` does, from any thread. Raises RuntimeError once the loop is closed."""
        try:
            handle = Handle(callback, *args)
        except TypeError:
            refuse_uncallable(callback)
        with self._inbox:
            if self._closed:
                self._check_open()
            self._ready.append(handle)
            if not self._waker.rung:
                self._waker.wake()
        return handle

    def call_after_look(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call once all that is ready by now has been looked at, and what was written meanwhile has been tried to send.

        For verdicts: who is judged has had every chance. Never in this turn; no poll waits meanwhile. Loop thread only.
        """
        if self._owner != get_ident():
            self._refuse("call_after_look")
        handle = handle_of(callback, args)
        if self._look is None:
            self._look = FullLook(self._selector)
        self._look.asked.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call after `delay` seconds, never early; equal deadlines first in, first out."""
        if self._owner != get_ident():
            self._refuse("call_later")
        return self._timers.add(self._clock(), delay, callback, args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call once `time()` is `when` or more."""
        if self._owner != get_ident():
            self._refuse("call_at")
        return self._timers.add(0, when, callback, args)

    def timer(self, callback: Callable[..., object], *args: Any) -> Timer:
        """Return a timer that is still to be set, with `start(when)`: for who has to know it before it can be due."""
        return self._timers.make(callback, args)

    def call_every(self, interval: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call every `interval` seconds until cancelled, first after one interval. Missed runs are skipped."""
        if self._owner != get_ident():
            self._refuse("call_every")
        return self._timers.add(self._clock(), interval, callback, args, repeats=True)

    def run_in_thread(
        self, function: Callable[..., T], *args: Any, on_done: Callable[[futures.Future[T]], object] | None = None
    ) -> futures.Future[T]:
        """Run a blocking call in a thread, 8 at once at most; `on_done(future)` is then called on the loop thread.

        Whatever it raises is in the future. When that is let go of and nobody has asked it for `result()` or
        `exception()`, the exception handler is told, on the loop thread; once the loop is closed, the log. `close()`
        drops calls that haven't begun. The process doesn't end before those that have are done: they may write a file.
        """
        from .outcome import Outcome  # with it the standard library's futures, which few loops need

        self._refuse("run_in_thread")
        name = getattr(function, "__qualname__", type(function).__qualname__)
        future: futures.Future[T] = Outcome(name, self.call_soon_threadsafe, self.call_exception_handler)
        self._threads.submit(future, function, args, on_done)
        return future

    def run_in_daemon(
        self, function: Callable[..., T], *args: Any, on_done: Callable[[futures.Future[T]], object]
    ) -> futures.Future[T]:
        """Run a call that may hang, as looking up a name does, in a thread that never holds up the end of the process.

        These have places of their own, 16 at once. `on_done(future)` is called on the loop thread.
        """
        self._refuse("run_in_daemon")
        future: futures.Future[T] = futures.Future()
        self._daemons.submit(future, function, args, on_done)
        return future

    # --- signals

    def add_signal_handler(self, signum: int, callback: Callable[..., object], *args: Any) -> None:
        """Call on the loop whenever `signum` comes. Main thread only."""
        self._refuse("add_signal_handler")
        check_plain("callback", callback)
        self._signals.add(signum, handle_of(callback, args))
        if self._in_turn:
            self._signals.hang_bell()

    def remove_signal_handler(self, signum: int) -> bool:
        """Give the signal back to whoever had it before; tell whether there was a callback."""
        self.check_thread("remove_signal_handler")
        return self._signals.remove(signum)

    # --- reports

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Call `handler(loop, context)` for what nobody else can be told; None: log it. The loop goes on either way."""
        self.check_thread("set_exception_handler")
        if handler is not None and not callable(handler):
            raise TypeError(f"a callable or None is needed, not {handler!r}")
        check_plain("handler", handler)
        self._exception_handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report `context`: `message`, `exception`, and what else is known."""
        self.check_thread("call_exception_handler")
        self._reports += 1
        handler = self._exception_handler
        if handler is None:
            return log_context(context)
        try:
            handler(self, context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            log_context(context)
            log_context({"message": "exception in the exception handler", "exception": exc})

    def report_stalls(self, after: float | None = 0.5) -> None:
        """Log where the loop stands, once for each turn that takes `after` seconds, while it does; None: no more.

        A thread looks on until `close()`; the log is `reactor.loop.stalls`. `stats()` has the longest turn since then.
        """
        check_after(after)
        self.check_thread("report_stalls")
        if after is not None:
            self._check_open()
            self._poll = self._stalls.watch(after)
        elif not self._closed:
            self._poll = self._stalls.end()

    def stats(self) -> dict[str, int]:
        """Return counters since the start, and sizes as they are now.

        `turns`; `events` of files, `calls` that turns took (of `call_soon()`, cancelled ones too), `timers_run` among
        them; `wakeups` by threads, signal handlers and `stop()`; `reports` of exceptions; `stalls` that were told of,
        and the `longest_turn` in microseconds, both while `report_stalls()` is on. Sizes: calls that are `ready`,
        `timers` that wait, files that are `watched`.
        """
        self.check_thread("stats")
        return {
            "turns": self._turns,
            "events": self._events,
            "calls": self._calls + self._timers_run,
            "timers_run": self._timers_run,
            "wakeups": self._waker.rings,
            "reports": self._reports,
            "stalls": self._stalls.count,
            "longest_turn": round(self._stalls.longest * 1e6),
            "ready": len(self._ready),
            "timers": len(self._timers),
            "watched": 0 if self._closed else len(self._selector.get_map()) - 1,
        }
