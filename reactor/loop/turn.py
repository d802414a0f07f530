"""Turn: what a loop does once, again and again. Law: in this order, which docs/design.md numbers.

Poll; fd callbacks; due timers; the ready queue as it stood; this turn's writes leave; calls behind a full look;
deferred closes. tests/loop/test_turn.py holds each number.

Law, too: an exception out of nowhere, as a signal handler may raise one, loses no entry of a queue. CPython looks for
signals behind a call, at a function's first line and at the end of a loop's body: never between the step of a `for`
that takes an entry off its queue and the call of it. So entries leave their queue that way alone, and nowhere else is a
Python function between the two. What a turn has begun and not ended is mended before the next one.
"""

from __future__ import annotations

import math
import selectors
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

from .handle import Handle, nothing
from .look import FullLook
from .poller import Ready, poll_of
from .timers import Timer, TimerQueue
from .watch import Watch, nothing_to_do

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_LONGEST_POLL = 3600.0  # seconds; some selectors overflow on years, and an extra turn an hour costs nothing

Entry = TypeVar("Entry")


class Turn:
    """The queues of a loop, and one turn over them. The loop adds who fills them, and who is told of exceptions."""

    # Found by their place: an object of more than 30 attributes, as a Reactor is, has a dict to itself in CPython 3.11.
    # Instructions, without this and with it: 9,424 and 8,036 an idle turn, 7,027 and 5,890 a call_soon().
    __slots__ = (
        "_again",
        "_calls",
        "_clock",
        "_closes",
        "_due",
        "_events",
        "_flushes",
        "_look",
        "_next_close",
        "_next_due",
        "_next_flush",
        "_next_ready",
        "_poll",
        "_ready",
        "_selector",
        "_stopping",
        "_timers",
        "_timers_run",
        "_turns",
        "_whole",
        "defer_close",
        "defer_flush",
    )

    def __init__(self, selector: selectors.BaseSelector, clock: Callable[[], float]) -> None:
        if isinstance(selector, type) or not hasattr(selector, "get_map"):  # gevent's and eventlet's have another base
            raise TypeError(f"selector is {selector!r}, it must be a selectors.BaseSelector(), or None")
        self._selector = selector
        self._poll = poll_of(selector)
        self._clock = clock
        self._ready: deque[Handle] = deque()
        self._timers = TimerQueue()
        self._due: deque[tuple[float, int, Timer]] = deque()
        self._again: Timer | None = None  # the repeating one that is being called
        self._flushes: deque[Callable[[], object]] = deque()
        self._closes: deque[Callable[[], object]] = deque()
        self._look: FullLook | None = None  # while nobody waits for one
        self._next_ready, self._next_due = _taking(self._ready), _taking(self._due)
        self._next_flush, self._next_close = _taking(self._flushes), _taking(self._closes)
        self.defer_flush = self._flushes.append  # calls what it is given when the callbacks of this turn are done,
        self.defer_close = self._closes.append  # and this as the last thing of the turn, so that nothing comes after it
        self._stopping = False
        self._whole = True  # whether the last turn has come to its end
        self._turns = self._events = self._calls = self._timers_run = 0

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report what came out of a callback."""
        raise NotImplementedError

    def _turn(self, timeout: float | None) -> None:
        """Do what there is to do, in the order of a turn; asking first is cheaper than calling for nothing."""
        look = self._look  # who asks for one in this turn has it begin with the next poll
        if look is not None:
            look.begin(len(self._selector.get_map()))
            timeout = 0
        elif self._ready or self._due or self._stopping:
            timeout = 0
        elif timeout or self._timers.heap:
            timeout = self._until_due(timeout)
        ready = self._poll(timeout)
        self._turns += 1
        if ready:
            self._run_events(ready)
        if self._due or self._timers.heap:
            self._run_timers()
        if self._ready:  # as it stands now: what these add waits for the next turn, so that nobody starves the poll
            self._run_all(islice(self._next_ready, len(self._ready)))
        if self._flushes:
            self._run_flushes()
        if look is not None and look.is_full_with(len(ready)):
            self._run_looked(look)
        if self._closes:
            self._run_closes()

    def _until_due(self, timeout: float | None) -> float | None:
        """Return how long to wait at most, for the next timer."""
        deadline = self._timers.next_deadline()
        until = math.inf if deadline is None else max(0.0, deadline - self._clock())
        if timeout is not None:
            until = min(timeout, until)
        return None if until == math.inf else min(until, _LONGEST_POLL)

    @property
    def selector(self) -> selectors.BaseSelector:
        """What the loop polls."""
        return self._selector

    def rest(self) -> float | None:
        """Return for how many seconds there is nothing to do, if nothing happens; None: for ever."""
        if self._ready or self._due or self._flushes or self._closes or self._look is not None:
            return 0
        return self._until_due(None)

    def _run_events(self, ready: Ready) -> None:
        """Call who is ready, unless an earlier callback of this turn gave that up."""
        self._events += len(ready)
        for watch, mask in ready:
            if mask != _WRITE and watch.mask & _READ:
                callback = watch.on_read
                try:
                    callback()
                except BaseException as exc:
                    self._callback_raised(exc, callback, watch)
            if mask != _READ and watch.mask & _WRITE:
                callback = watch.on_write
                try:
                    callback()
                except BaseException as exc:
                    self._callback_raised(exc, callback, watch)

    def _run_timers(self) -> None:
        """Run what is due now; a timer that these set up waits for the next turn, even if it is due at once."""
        deadline = self._timers.next_deadline()
        if deadline is not None and deadline <= (now := self._clock()):
            self._timers.take_due(now, self._due)
        for _, _, timer in islice(self._next_due, len(self._due)):
            self._timers_run += timer.func is not nothing
            self._again = timer if timer.interval else None
            try:
                timer()
            except BaseException as exc:
                self._callback_raised(exc, timer)
            finally:  # a KeyboardInterrupt goes through here, and the timer goes on
                if self._again is not None:
                    self._timers.repeat(self._again, self._clock())
                    self._again = None

    def _run_all(self, handles: Iterator[Handle]) -> None:
        # Counted in the step that takes a call: 0.52 us a call_soon() and its call, 0.58 with a line for it.
        for self._calls, handle in enumerate(handles, self._calls + 1):  # noqa: B020  # which is read once, before
            try:
                handle()  # which calls nothing() if it was cancelled
            except BaseException as exc:
                self._callback_raised(exc, handle)

    def _run_flushes(self) -> None:
        """Let this turn's writes leave."""
        while self._flushes:
            self._call_all(islice(self._next_flush, len(self._flushes)))

    def _call_all(self, callbacks: Iterator[Callable[[], object]]) -> None:
        for callback in callbacks:
            try:
                callback()
            except BaseException as exc:
                self._callback_raised(exc, callback)

    def _run_looked(self, look: FullLook) -> None:
        """Call who waited for this look. What they write leaves in this turn; who asks again waits for another look."""
        self._run_all(islice(_taking(look.waiting), len(look.waiting)))
        if not look.asked:
            self._look = None
        self._run_flushes()

    def _run_closes(self) -> None:
        """Let ends happen; an end may write or close again, so until nothing is left."""
        while self._flushes or self._closes:
            self._run_flushes()
            self._call_all(islice(self._next_close, len(self._closes)))

    def _mend(self) -> None:
        """Put in order what an exception has left between two lines of a turn. May be done twice."""
        if self._again is not None and self._again not in self._timers:
            self._timers.repeat(self._again, self._again.when)
        self._again = None

    def _forget_turn(self) -> None:
        """Let nothing of this turn happen any more: who takes entries off a queue finds as many, which do nothing."""
        look = self._look
        for queue in (self._ready, look.waiting, look.asked) if look is not None else (self._ready,):
            _empty(queue, Handle(nothing_to_do))
        _empty(self._due, (0.0, 0, Timer(nothing_to_do)))
        _empty(self._flushes, nothing_to_do)
        _empty(self._closes, nothing_to_do)
        self._timers = TimerQueue()
        self._look = self._again = None

    def _callback_raised(self, exc: BaseException, callback: Callable[[], object], watch: Watch | None = None) -> None:
        """Report what came out of a callback, but let through what is meant to end the program."""
        if isinstance(exc, (KeyboardInterrupt, SystemExit)):
            try:
                raise exc
            finally:
                del exc  # or it and this frame would know each other, and keep what it came through: a socket, maybe
        known = {"handle": callback} if watch is None else {"handle": callback, "fileobj": watch.fileobj}
        self.call_exception_handler({"message": "exception in a callback", "exception": exc, **known})


def _empty(queue: deque[Entry], nothing: Entry) -> None:
    """Put what does nothing in the place of every entry."""
    for _ in range(len(queue)):
        queue.append(nothing)
        queue.popleft()


def _taking(queue: deque[Entry]) -> Iterator[Entry]:
    """Take entries off a queue, each in a step that no signal handler comes into; no more of them than there are."""
    return iter(queue.popleft, None)  # which no entry is
