"""echo: a server that sends every message back. Law: a bad peer costs one line, and nobody else anything."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from ..framing import Framing
from ..protocol import FramedProtocol
from ..reactor import Reactor
from ..transport.address import format_address
from .failure import reason
from .options import add_framing, address, framing_from, limits_for, listen

SUMMARY = "send every message back to who sent it"


class Echo(FramedProtocol):
    """Sends messages back as fast as the peer takes them, and reads no faster."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing

    def message_received(self, message: bytes) -> None:
        self.send(message)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


class ReportingEcho(Echo):
    """The same, with a line for each connection that ended badly."""

    def connection_lost(self, exc: BaseException | None) -> None:
        if exc is not None:
            peer = format_address(self.transport.get_extra_info("peername"))
            print(f"echo: {peer}: {reason(exc)}", file=sys.stderr, flush=True)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument(
        "address",
        type=address,
        nargs="?",
        default="127.0.0.1:9000",
        metavar="ADDRESS",
        help="HOST:PORT or unix:PATH, where to listen; port 0 for a free one (default: %(default)s)",
    )
    add_framing(parser)


def run(args: Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    framing = framing_from(args)
    with Reactor() as reactor:
        for signum in (signal.SIGINT, signal.SIGTERM):  # before the first line: who reads it may send one at once
            reactor.add_signal_handler(signum, reactor.stop)
        server = listen(reactor, partial(ReportingEcho, framing), args.address, limits_for(framing))
        for sockname in server.addresses:
            print(f"echo: listening on {format_address(sockname)}", flush=True)
        reactor.run()
