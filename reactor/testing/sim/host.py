"""SimHost: a machine with a clock of its own and one process, a reactor. Law: a turn is made when there is one to make.

The process is started by `setup(reactor)`, which does what a program does before it calls `run()`. A turn takes
`turn_time`, so a host that has much to do falls behind, as a real one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...errors import ReactorError
from .drift import DriftingClock
from .machine import SimMachine
from .process import SimReactor

_GRAIN = 1e-6  # seconds; a deadline that rounding has put a hair behind the clock must not be asked for ever
_ROUNDING = 1e-9  # seconds; what asking twice for one deadline may differ by

Setup = Callable[[SimReactor], object]


class SimHost:
    """One host of a `SimNetwork`. `reactor` is the process that runs now; behind a restart it is another one.

    `descriptors`: how many files it may have open, None for no bound. `thread_time`, `lookup_time`, `turn_time`: how
    many seconds a call in a thread takes, looking up a name, and a turn. Each may be set while it runs.
    """

    def __init__(self, network: Any, name: str, addresses: tuple[str, ...], setup: Setup | None, start: float) -> None:
        self.network = network
        self.name = name
        self.addresses = addresses
        self.setup = setup
        self.descriptors: int | None = None
        self.thread_time, self.lookup_time, self.turn_time = 0.001, 0.002, 0.00002
        self.names_fail = False  # nobody answers who looks up a name
        self.clock = DriftingClock(network.events, start)
        self.machine = SimMachine(self)
        self.up = False
        self.frozen = False
        self._freezes = 0
        self._turn_at = math.inf  # when the next turn is to be made
        self._free_at = 0.0
        self.reactor: SimReactor  # once it has booted

    # --- its life

    def boot(self) -> None:
        """Start the process, with an empty memory. Does nothing if it runs."""
        if self.up:
            return
        self.up = True
        self.note("boots")
        self.reactor = SimReactor(self)
        if self.setup is not None:
            self.setup(self.reactor)
        self.poke()

    def crash(self) -> None:
        """Be without power: memory and sockets are gone, and nobody is told."""
        self.note("crashes")
        self._end(self.machine.vanish)

    def kill(self) -> None:
        """Have the process die at once: its machine goes on, and tells the other ends."""
        self.note("is killed")
        self._end(self.machine.close_all)

    def drop(self) -> None:
        """Be no more: the network is closed."""
        self._end(self.machine.vanish)

    def exit(self) -> None:
        """Have the process end in good order, as behind `stop()`."""
        self.note("exits")
        self.reactor.close()
        self._end(self.machine.close_all)

    def restart(self, after: float = 0.0) -> None:
        """Boot again in so many seconds; what runs by then crashes first."""
        self.network.events.after(after, self._restart)

    def freeze(self, seconds: float | None = None) -> None:
        """Stand still, for good or for a time: no turn is made, while the machine receives and the clock goes on."""
        self.frozen = True
        self._freezes += 1
        self.note("stands still")
        if seconds is not None:
            self.network.events.after(seconds, self._thaw, self._freezes)

    def thaw(self) -> None:
        """Go on."""
        if self.frozen:
            self.frozen = False
            self.note("goes on")
            self.poke()

    def drift(self, rate: float) -> None:
        """Let the clock run at another rate from now on: 1.01 gains a second in a hundred."""
        self.note("has a clock that runs at %g", rate)
        self.clock.run_at(rate)
        self._turn_at = math.inf  # by the clock as it was
        self.poke()

    def signal(self, signum: int) -> None:
        """Let a signal come: what `add_signal_handler()` has set is called, or the process is killed."""
        self.note("gets signal %d", signum)
        if not self.up:
            return
        handler = self.reactor.handlers.get(signum)
        if handler is None:
            self.kill()
        else:
            self.reactor.call_soon_threadsafe(*handler)

    def reset_connections(self) -> None:
        """Have every connection of this host reset, at both ends: somebody between them has lost his tables."""
        self.note("has its connections reset")
        self.machine.reset_all()

    def note(self, text: str, *args: Any) -> None:
        """Write a line of this host's into the network's log."""
        self.network.log.note(self.name, text, *args)

    def _restart(self) -> None:
        if self.up:
            self.crash()
        self.boot()

    def _thaw(self, freeze: int) -> None:
        if freeze == self._freezes:
            self.thaw()

    def _end(self, let_go: Callable[[], object]) -> None:
        if self.up:
            self.up = False
            self._turn_at = math.inf
            let_go()
            self.reactor.leave()

    # --- its turns

    def poke(self) -> None:
        """Make a turn as soon as it can be."""
        self._turn_by(max(self.network.events.now, self._free_at))

    def look(self) -> None:
        """Make a turn if somebody outside of it has left something to do."""
        if not (self.up and not self.frozen):
            return
        if self.reactor.stopped:
            self.poke()
        else:
            self._plan(self.reactor)

    def call(self, callback: Callable[[], object]) -> None:
        """Call on the loop."""
        self.reactor.call_soon_threadsafe(callback)

    def _turn_by(self, when: float) -> None:
        if when < self._turn_at - _ROUNDING and self.up:
            self._turn_at = when
            self.network.events.at(when, self._turn, when)

    def _turn(self, when: float) -> None:
        if when != self._turn_at:  # another one came before
            return
        self._turn_at = math.inf
        if self.frozen or not self.up:
            return
        reactor = self.reactor
        reactor.run_once(0)
        if reactor is not self.reactor or not self.up:
            return
        self._free_at = self.network.events.now + self.turn_time
        if reactor.stopped:
            return self.exit()
        self._plan(reactor)

    def _plan(self, reactor: SimReactor) -> None:
        """Have the next turn made when there is something to do."""
        if reactor.selector.has_ready():  # type: ignore[attr-defined]  # it is a SimSelector
            return self.poke()
        rest = reactor.rest()
        if rest is not None:
            now = self.network.events.now
            self._turn_by(max(now, self._free_at) if rest <= 0 else now + max(_GRAIN, self.clock.until(rest)))

    def reported(self, context: dict[str, Any]) -> None:
        """Take a report that nobody else is told of: what is neither the network's doing nor a limit's is a failure."""
        exc = context.get("exception")
        self.note("reports %s: %s", context["message"], _text(exc))
        if exc is not None and not isinstance(exc, (OSError, ReactorError)):
            self.network.failed(exc)


def _text(exc: BaseException | None) -> str:
    return "" if exc is None else f"{type(exc).__name__}: {exc}"
