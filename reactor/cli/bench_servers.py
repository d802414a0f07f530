"""The echo servers that bench compares, each in a process of its own. Law: a server ends when its input does.

So none stays behind, whatever becomes of who started it. It prints its port, and then, for every line that it gets, how
much CPU time it has used.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from ..framing import Framing
from ..protocol import FramedProtocol
from ..reactor import Reactor
from .echo import Echo
from .options import limits_for

HOST = "127.0.0.1"

_BACKLOG = 4096  # of connections that all come at once
_LONGEST_LINE = 4096


class EchoReads(Echo):
    """An echo with a callback per read."""

    def messages_received(self, messages: Iterable[bytes]) -> None:
        self.send_many(messages)


def _serve_reactor(echo: Callable[[Framing], FramedProtocol], framing: Framing) -> None:
    with Reactor() as reactor:
        server = reactor.listen_tcp(partial(echo, framing), HOST, 0, limits=limits_for(framing), backlog=_BACKLOG)
        reactor.add_reader(sys.stdin.fileno(), _report, reactor.stop)
        _tell(server.addresses[0][1])
        reactor.run()


def _serve_asyncio(module: str, framing: Framing) -> None:
    """Serve on a new loop of `module`: asyncio, or what takes its place."""
    from .bench_asyncio import tuned  # not above: asyncio takes longer to import than all of this package

    loop = import_module(module).new_event_loop()
    server = loop.run_until_complete(loop.create_server(partial(tuned, framing), HOST, 0, backlog=_BACKLOG))
    loop.add_reader(sys.stdin.fileno(), _report, loop.stop)
    _tell(server.sockets[0].getsockname()[1])
    loop.run_forever()
    server.close()
    loop.close()


def _report(stop: Callable[[], object]) -> None:
    """Answer a line; its end is ours."""
    if os.read(sys.stdin.fileno(), _LONGEST_LINE):
        _tell(time.process_time_ns())
    else:
        stop()


def _tell(number: int) -> None:
    print(number, flush=True)


class Kind(NamedTuple):
    """A server: what it is called in the table, and what serves until the input ends."""

    label: str
    serve: Callable[[Framing], None]


KINDS = {
    "messages": Kind("reactor, a callback per message", partial(_serve_reactor, Echo)),
    "reads": Kind("reactor, a callback per read", partial(_serve_reactor, EchoReads)),
    "asyncio": Kind("asyncio, tuned by hand", partial(_serve_asyncio, "asyncio")),
    "uvloop": Kind("uvloop, tuned by hand", partial(_serve_asyncio, "uvloop")),
}


def kinds_here() -> list[str]:
    """Return which of KINDS can run here: uvloop has to be installed."""
    return [kind for kind in KINDS if kind != "uvloop" or find_spec(kind)]
