"""EventLoop: one thread that waits once and calls back. Law: it knows fds and callables, no protocol."""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from .ends import Ends
from .forks import remember
from .handle import Handle, check_plain, handle_of, refuse_uncallable
from .interrupts import Interrupts
from .look import FullLook
from .poller import default_selector
from .report import log_context
from .signals import Signals
from .threads import Threads
from .timers import Timer, TimerQueue
from .turn import Turn
from .wakeup import Waker
from .watch import Callbacks, Watch, nothing_to_do

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

T = TypeVar("T")
Loop = TypeVar("Loop", bound="EventLoop")
ExceptionHandler = Callable[["EventLoop", dict[str, Any]], object]


class EventLoop(Turn):
    """Call back when a file object is ready, when a time has come, or soon.

    One thread runs it and calls everything but `call_soon_threadsafe()` and `stop()`, which any thread may call.
    `selector`: any `selectors.BaseSelector`, closed with the loop. `clock`: seconds, never going back. In a child of
    fork() it is closed, without a word to anybody: make a new one there.
    """

    def __init__(
        self, selector: selectors.BaseSelector | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(default_selector() if selector is None else selector, clock)
        self._waker = Waker()
        self._bell = Watch(self._selector, self._waker, self._waker.drain, nothing_to_do)
        self._bell.want(_READ)
        self._ends = Ends(self._selector)
        self._signals = Signals(self._waker, self._ready.append)
        self._interrupts = Interrupts(self.stop)
        self._threads = Threads(self.call_soon_threadsafe)
        self._exception_handler: ExceptionHandler | None = None
        self._inbox = threading.RLock()  # held while another thread, or a signal handler, leaves a call
        self._running = self._in_turn = self._closed = self._abandoned = False
        self._reports = 0
        remember(self)

    # --- running

    def run(self) -> None:
        """Make turns until `stop()`.

        On the main thread, while SIGINT has Python's default handler, the first SIGINT stops the loop and the second
        raises KeyboardInterrupt. KeyboardInterrupt and SystemExit leave with all state in order: `run()` again goes on.
        """
        self._check_open()
        if self._running:
            raise RuntimeError("the loop is running already")
        self._running = True
        try:
            self._interrupts.take()
            self._make_turns()
        finally:
            try:
                self._interrupts.give_back()
            finally:  # again, if a signal handler has raised in the midst of it
                self._running = self._stopping = False
                self._interrupts.give_back()
        self._interrupts.raise_kept()
        self._check_open()  # as in run_once()

    def _make_turns(self) -> None:
        """Make turns until one was stopped. The first takes what was left outside of turns."""
        self.run_once()
        self._in_turn = True
        try:
            self._hang_bell()
            self._whole = False
            while not self._stopping:
                self._turn(None)
            self._whole = True
        finally:
            self._leave_turn()

    def run_once(self, timeout: float | None = None) -> None:
        """Make one turn; wait at most `timeout` seconds for something to happen (None: as long as it takes)."""
        self._check_open()
        if self._in_turn:
            raise RuntimeError("a turn can't be made from inside a turn")
        self._in_turn = True
        try:
            self._hang_bell()
            if not self._whole:
                self._mend()
            self._whole = False
            self._run_closes()  # what was written or closed outside a turn leaves before the poll, too
            self._turn(None if timeout is None else max(0, timeout))
            self._whole = True
        finally:
            self._leave_turn()
        if self._abandoned:  # by a callback that has forked, and has come back in the child
            self._check_open()

    def _hang_bell(self) -> None:
        """Let signals wake the poll, if it is the main thread's: they interrupt no other."""
        if threading.get_ident() == threading.main_thread().ident:
            self._signals.hang_bell()

    def _leave_turn(self) -> None:
        self._in_turn = False
        if not self._running:
            self._stopping = False  # it counted for this turn
        try:
            self._signals.take_bell_down()
        finally:  # again, if a signal handler has raised in the midst of it
            self._signals.take_bell_down()

    def stop(self) -> None:
        """Let `run()` return when this turn is complete; before `run()`: after one turn that doesn't wait.

        From any thread, and from a signal handler.
        """
        self._stopping = True
        if self._running:
            self._waker.wake()

    def close(self) -> None:
        """Let go of everything. Idempotent; not from inside a turn."""
        if self._closed:
            return
        if self._in_turn:
            raise RuntimeError("a running loop can't be closed: stop() it first")
        with self._inbox:
            self._closed = True
        self._threads.close()
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
        self._running = False
        self._waker.abandon()
        self._threads.abandon()
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

    def is_closed(self) -> bool:
        return self._closed

    def is_running(self) -> bool:
        return self._running

    def __enter__(self: Loop) -> Loop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- time and calls

    def time(self) -> float:
        """Return the clock's time in seconds."""
        return self._clock()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call in the next turn that finds it in the queue, first in first out. Loop thread only."""
        self._check_open()
        try:
            handle = Handle(callback, *args)
        except TypeError:
            refuse_uncallable(callback)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Do what `call_soon()` does, from any thread. Raises RuntimeError once the loop is closed."""
        handle = handle_of(callback, args)
        with self._inbox:
            self._check_open()
            self._ready.append(handle)
            self._waker.wake()
        return handle

    def call_after_look(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call once all that is ready by now has been looked at, and what was written meanwhile has been tried to send.

        For verdicts: who is judged has had every chance. Never in this turn; no poll waits meanwhile. Loop thread only.
        """
        self._check_open()
        handle = handle_of(callback, args)
        if self._look is None:
            self._look = FullLook(self._selector)
        self._look.asked.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call after `delay` seconds, never early; equal deadlines first in, first out."""
        return self.call_at(self._clock() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call once `time()` is `when` or more."""
        self._check_open()
        return self._timers.add(when, callback, args)

    def timer(self, callback: Callable[..., object], *args: Any) -> Timer:
        """Return a timer that is still to be set, with `start(when)`: for who has to know it before it can be due."""
        return self._timers.make(callback, args)

    def call_every(self, interval: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Call every `interval` seconds until cancelled, first after one interval. Missed runs are skipped."""
        self._check_open()
        if interval <= 0:
            raise ValueError(f"interval is {interval!r}, it must be more than 0 seconds")
        return self._timers.add(self._clock() + interval, callback, args, interval)

    def run_in_thread(
        self, function: Callable[..., T], *args: Any, on_done: Callable[[Future[T]], object] | None = None
    ) -> Future[T]:
        """Run a blocking call in a thread; `on_done(future)` is then called on the loop thread."""
        self._check_open()
        return self._threads.submit(function, args, on_done)

    # --- file objects

    def watch(self, fileobj: Any, on_read: Callable[[], object], on_write: Callable[[], object]) -> Watch:
        """Return a Watch without interest yet: `want()` sets it. For transports; one per file object."""
        return Watch(self._selector, fileobj, on_read, on_write)

    def watch_end(self, fileobj: Any, callback: Callable[[], object]) -> None:
        """Call once when a file object fails that nobody reads or writes for now, where the system can tell."""
        self._ends.add(fileobj, callback)

    def forget_end(self, fileobj: Any) -> None:
        """Call nobody for its end any more; before it is closed."""
        self._ends.remove(fileobj)

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call whenever `fd` (an int, or anything with `fileno()`) is readable; replaces an earlier callback."""
        watch = self._watch_of(fd)
        watch.on_read = handle_of(callback, args)
        watch.add(_READ)

    def add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call whenever `fd` is writable; replaces an earlier callback."""
        watch = self._watch_of(fd)
        watch.on_write = handle_of(callback, args)
        watch.add(_WRITE)

    def remove_reader(self, fd: Any) -> bool:
        """Stop calling back for reading; tell whether there was a callback. Before the fd is closed."""
        return self._unwatch(fd, _READ)

    def remove_writer(self, fd: Any) -> bool:
        """Stop calling back for writing; tell whether there was a callback. Before the fd is closed."""
        return self._unwatch(fd, _WRITE)

    def _watch_of(self, fd: Any) -> Watch:
        self._check_open()
        watch = self._callbacks_of(fd)
        if watch is None or not watch.renew():
            watch = Callbacks(self._selector, fd, nothing_to_do, nothing_to_do)
        return watch

    def _callbacks_of(self, fd: Any) -> Callbacks | None:
        """Return what is set for a file. Raises RuntimeError if it isn't the user's to watch."""
        key = self._selector.get_map().get(fd)
        if key is None:
            return None
        if not isinstance(key.data, Callbacks):
            raise RuntimeError(f"{fd!r} is watched by its transport: use that, or a file of your own")
        return key.data

    def _unwatch(self, fd: Any, event: int) -> bool:
        watch = None if self._closed else self._callbacks_of(fd)
        if watch is None or not watch.mask & event:
            return False
        watch.remove(event)
        return True

    # --- signals

    def add_signal_handler(self, signum: int, callback: Callable[..., object], *args: Any) -> None:
        """Call on the loop whenever `signum` comes. Main thread only."""
        self._check_open()
        check_plain("callback", callback)
        self._signals.add(signum, handle_of(callback, args))

    def remove_signal_handler(self, signum: int) -> bool:
        """Give the signal back to whoever had it before; tell whether there was a callback."""
        return self._signals.remove(signum)

    # --- reports

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Call `handler(loop, context)` for what nobody else can be told; None: log it. The loop goes on either way."""
        if handler is not None and not callable(handler):
            raise TypeError(f"a callable or None is needed, not {handler!r}")
        check_plain("handler", handler)
        self._exception_handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report `context`: `message`, `exception`, and what else is known."""
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

    def stats(self) -> dict[str, int]:
        """Return counters since the start, and sizes as they are now."""
        return {
            "turns": self._turns,
            "events": self._events,
            "calls": self._calls,
            "timers_run": self._timers_run,
            "wakeups": self._waker.rings,
            "reports": self._reports,
            "ready": len(self._ready),
            "timers": len(self._timers),
            "watched": 0 if self._closed else len(self._selector.get_map()) - 1,
        }

    def _check_open(self) -> None:
        if self._closed:
            why = ": it was abandoned in a child of fork(); make a new one there" if self._abandoned else ""
            raise RuntimeError(f"the loop is closed{why}")
