"""echo: a server that sends every message back. Law: a bad peer costs one line, and nobody else anything."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Any

from ..framing import Framing
from ..protocol import DatagramProtocol, FramedProtocol
from ..reactor import Reactor
from ..transport.address import format_address
from .failure import reason
from .options import UDPAddress, add_framing, address_or_udp, framing_from, limits_for, listen, refuse_framing
from .terminal import shown

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
            print(f"echo: {shown(peer, sys.stderr)}: {reason(exc)}", file=sys.stderr, flush=True)


class DatagramEcho(DatagramProtocol):
    """Sends datagrams back; what the system can't send is a line."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:
        print(f"echo: {reason(exc)}", file=sys.stderr, flush=True)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument(
        "address",
        type=address_or_udp,
        nargs="?",
        default="127.0.0.1:9000",
        metavar="ADDRESS",
        help="HOST:PORT, unix:PATH or udp:HOST:PORT, where to listen; port 0 for a free one (default: %(default)s)",
    )
    add_framing(parser)


def run(args: Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    with Reactor() as reactor:
        for signum in (signal.SIGINT, signal.SIGTERM):  # before the first line: who reads it may send one at once
            reactor.add_signal_handler(signum, reactor.stop)
        for where in _listen(reactor, args):
            print(f"echo: listening on {where}", flush=True)
        reactor.run()


def _listen(reactor: Reactor, args: Namespace) -> list[str]:
    """Return where it listens, as people write it."""
    if isinstance(args.address, UDPAddress):
        refuse_framing(args)
        endpoint = reactor.bind_udp(DatagramEcho, *args.address)
        return [f"udp:{format_address(endpoint.get_extra_info('sockname'))}"]
    framing = framing_from(args)
    server = listen(reactor, partial(ReportingEcho, framing), args.address, limits_for(framing))
    return [format_address(sockname) for sockname in server.addresses]
