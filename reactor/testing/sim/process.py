"""SimReactor: a Reactor on a simulated machine. Law: the same doors and transports; the network makes its turns."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from ...loop.stalls import check_after
from ...reactor import Reactor
from ...transport.linger import Lingers
from ...transport.unix import UnixPath
from .calls import SimCalls
from .selector import SimSelector, SimWaker


class SimReactor(Reactor):
    """The process of one host. `sim` is the host, `stopped` whether it has called `stop()`: then the process ends."""

    def __init__(self, host: Any) -> None:
        self.sim = host
        self.machine = host.machine
        self.stopped = False
        self.handlers: dict[int, tuple[Callable[..., object], ...]] = {}  # of signals
        super().__init__(SimSelector(host.poke), host.clock)
        self._lingers = _Lingers(self, self._memory, self._lingered)
        calls = partial(SimCalls, host.network.events, may_run=lambda: not host.frozen, leave=self.call_soon_threadsafe)
        self._threads: Any = calls(seconds=lambda: host.thread_time)
        self._daemons: Any = calls(seconds=lambda: host.lookup_time)

    def _new_waker(self) -> Any:
        return SimWaker()

    def _listen_on_path(self, path: str, backlog: int, mode: int) -> tuple[socket.socket, UnixPath | None]:
        sock: Any = self.machine.listen_on_path(path, backlog)  # type: ignore[attr-defined]  # it is a SimMachine
        return sock, None

    def run(self) -> NoReturn:
        """Refuse: here `SimNetwork.run()` makes the turns of all hosts."""
        raise RuntimeError(
            "a simulated host runs when its network does: leave run() to the program, and call its setup"
        )

    def stop(self) -> None:
        """End the process when this turn is complete."""
        self.stopped = True
        super().stop()

    def connect_pipe(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("connect_pipe(): a simulated host has no files")

    def report_stalls(self, after: float | None = 0.5) -> None:
        """Do nothing: a turn takes as long as its host says."""
        check_after(after)

    def add_signal_handler(self, signum: int, callback: Callable[..., object], *args: Any) -> None:
        """Call whenever `SimHost.signal(signum)` says that it came."""
        self.handlers[signum] = (callback, *args)

    def remove_signal_handler(self, signum: int) -> bool:
        return self.handlers.pop(signum, None) is not None

    def watch_end(self, fileobj: Any, callback: Callable[[], object]) -> None:
        fileobj.on_end = callback

    def forget_end(self, fileobj: Any) -> None:
        fileobj.on_end = None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell the handler that was set; else the network, which fails for what should not happen."""
        if self._exception_handler is not None:
            return super().call_exception_handler(context)
        self._reports += 1
        self.sim.reported(context)

    def leave(self) -> None:
        """Be gone, without a word to any protocol: the process has died."""
        self._abandon()


class _Lingers(Lingers):
    """At the end of a process its machine goes on sending: nobody waits for it."""

    def close_when_arrived(self) -> None:
        while self.give_up_oldest():
            pass
