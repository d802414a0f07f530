"""send: messages out, as many answers in. Law: one timeout bounds it all, from the name to the last answer."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import FrameTooLarge
from ..framing import Framing
from ..protocol import DatagramProtocol, DatagramTransport, FramedProtocol, Transport
from ..reactor import Reactor
from .failure import MISUSED, Failure, reason
from .options import UDPAddress, add_framing, address_or_udp, connect, framing_from, limits_for, refuse_framing, seconds
from .terminal import shown

_EVERYWHERE_IS_HERE = "127.0.0.1"  # no host, where echo listens everywhere; for one socket that is IPv4

SUMMARY = "send messages and print the answers, one for each"


class Answers:
    """Collects `wanted` answers; `on_end()` is called when they have come, or can't."""

    def __init__(self, wanted: int, on_end: Callable[[], object]) -> None:
        self.answers: list[bytes] = []
        self.failure = ""
        self._wanted = wanted
        self._on_end = on_end

    @property
    def is_over(self) -> bool:
        return bool(self.failure) or len(self.answers) == self._wanted

    def cut_short(self, text: str) -> None:
        self.fail(f"{text}; {len(self.answers)} of {self._wanted} answers came")

    def fail(self, text: str) -> None:
        self.failure = self.failure or text
        self._on_end()


class DatagramExchange(Answers, DatagramProtocol):
    """Sends datagrams, and collects as many."""

    def __init__(self, messages: list[bytes], on_end: Callable[[], object]) -> None:
        super().__init__(len(messages), on_end)
        self._messages = messages

    def connection_made(self, transport: DatagramTransport) -> None:
        for message in self._messages:
            transport.sendto(message)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.answers.append(data)
        if self.is_over:
            self._on_end()

    def error_received(self, exc: Exception) -> None:
        self.cut_short(reason(exc))


class Exchange(Answers, FramedProtocol):
    """Sends frames, and collects `wanted` answers."""

    def __init__(self, framing: Framing, frames: bytes, wanted: int, on_end: Callable[[], object]) -> None:
        super().__init__(wanted, on_end)
        self.framing = framing
        self._frames = frames

    def connection_made(self, transport: Transport) -> None:
        transport.write(self._frames)

    def message_received(self, message: bytes) -> None:
        self.answers.append(message)
        if self.is_over:
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.is_over:
            self._on_end()
        else:
            self.cut_short("the peer closed the connection" if exc is None else reason(exc))


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument(
        "address",
        type=address_or_udp,
        metavar="ADDRESS",
        help="who gets them: HOST:PORT, unix:PATH, or udp:HOST:PORT as datagrams",
    )
    parser.add_argument("messages", nargs="+", metavar="MESSAGE", help="one message, sent as the bytes it has here")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long it all may take (default: %(default)s)",
    )
    add_framing(parser)


def run(args: Namespace) -> None:
    """Print each answer; raise Failure if they are fewer than the messages."""
    exchange = _datagrams(args) if isinstance(args.address, UDPAddress) else _exchange(args)
    for answer in exchange.answers:
        print(shown(answer.decode("utf-8", "backslashreplace")))
    if exchange.failure:
        raise Failure(exchange.failure)


def _exchange(args: Namespace) -> Exchange:
    """Return an exchange that is over."""
    framing = framing_from(args)
    frames = _frames(framing, args.messages)
    limits = replace(limits_for(framing), connect_timeout=None, frame_timeout=None, write_timeout=None)
    with Reactor() as reactor:
        exchange = Exchange(framing, frames, len(args.messages), reactor.stop)
        on_failure = lambda exc: exchange.fail(reason(exc))  # noqa: E731
        connect(reactor, lambda: exchange, args.address, limits=limits, on_failure=on_failure)
        _run(reactor, exchange, args.timeout)
        return exchange


def _datagrams(args: Namespace) -> DatagramExchange:
    """The same with datagrams, of which some may be lost on the way."""
    refuse_framing(args)
    with Reactor() as reactor:
        exchange = DatagramExchange(list(map(os.fsencode, args.messages)), reactor.stop)
        host = args.address.host or _EVERYWHERE_IS_HERE
        reactor.connect_udp(
            lambda: exchange, host, args.address.port, on_failure=lambda exc: exchange.fail(reason(exc))
        )
        _run(reactor, exchange, args.timeout)
        return exchange


def _run(reactor: Reactor, exchange: Answers, timeout: float) -> None:
    """Run until the exchange is over."""
    reactor.call_later(timeout, exchange.cut_short, f"timeout after {timeout:g} s")
    reactor.run()
    if not exchange.is_over:
        exchange.cut_short("interrupted")


def _frames(framing: Framing, messages: list[str]) -> bytes:
    try:
        return framing.encode_many(map(os.fsencode, messages))
    except FrameTooLarge as exc:
        raise Failure(str(exc), MISUSED) from None
