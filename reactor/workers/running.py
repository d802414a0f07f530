"""Running: the door to workers. Law: all is judged, the sockets bound and privileges given up before the first fork."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from ..loop import EventLoop
from ..server import check_drain
from ..transport import Backoff
from .app import Setup, check_target
from .binding import Sockets
from .master import Master, Orders
from .notify import Notify, handed_over
from .privileges import PidFile, become, identity_of

_BACKOFF = Backoff(initial=0.1)


def run(
    target: str | Setup,
    bind: Iterable[str] = (),
    workers: int | None = None,
    grace: float = 30.0,
    *,
    reuse_port: bool = False,
    user: str | None = None,
    pid_file: str | os.PathLike[str] | None = None,
    backoff: Backoff = _BACKOFF,
    on_ready: Callable[[list[str]], object] = lambda addresses: None,
    on_stats: Callable[[dict[str, Any]], object] = lambda stats: None,
) -> None:
    """Serve with many processes until SIGTERM or SIGINT. Main thread only.

    `target`: "MODULE:FUNCTION", or a function. Each worker imports it anew, unless the master has it already, and calls
    `function(reactor, sockets)`, which gives each socket to a `listen_*(…, sock=sock)`. `bind`: "HOST:PORT",
    "unix:PATH" or "fd://N"; sockets of systemd come behind them. `workers`: one a core unless told. `reuse_port`: a
    socket for each worker. `user`: whom to become when they are bound, "USER" or "USER:GROUP".

    A worker that dies is replaced, by `backoff` in time. SIGTERM and SIGINT drain, `grace` seconds at most; a second
    one aborts. SIGHUP replaces the workers one by one. On SIGUSR1 `on_stats` is given the stats of all.
    `on_ready(addresses)` is called when all are ready; if the app can't be started StartFailed is raised.
    """
    check_target(target)
    check_drain(grace, None)
    count = cores() if workers is None else workers
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"workers is {workers!r}, it must be an int, 1 or more")
    addresses = _addresses(bind)
    inherited = handed_over()
    if not addresses and not inherited:
        raise ValueError("bind is empty, and no socket was handed over by LISTEN_FDS: there is nothing to listen on")
    who = None if user is None else identity_of(user)
    with ExitStack() as stack:
        sockets = Sockets(addresses, inherited, count, reuse_port)
        stack.callback(sockets.close)
        files = list(sockets.paths)
        if pid_file is not None:
            file = PidFile(os.fsdecode(pid_file))
            stack.callback(file.remove)
            files.append(file.path)
        if who is not None:
            become(who, files)
        orders = Orders(target, count, grace, backoff, on_ready, on_stats)
        Master(stack.enter_context(EventLoop()), orders, sockets, Notify()).run()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _addresses(bind: Iterable[str]) -> list[str]:
    if isinstance(bind, (str, bytes)):
        raise TypeError(f"bind is {bind!r}, it must be a list of addresses")
    return list(bind)
