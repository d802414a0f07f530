"""send: messages out, as many answers in. Law: one timeout bounds it all, from the name to the last answer."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace

from ..errors import FrameTooLarge
from ..framing import Framing
from ..protocol import FramedProtocol, Transport
from ..reactor import Reactor
from .failure import MISUSED, Failure, reason
from .options import add_framing, address, connect, framing_from, limits_for, seconds
from .terminal import shown

SUMMARY = "send messages and print the answers, one for each"


class Exchange(FramedProtocol):
    """Sends frames and collects `wanted` answers; `on_end()` is called when that is done, or can't be."""

    def __init__(self, framing: Framing, frames: bytes, wanted: int, on_end: Callable[[], object]) -> None:
        self.framing = framing
        self.answers: list[bytes] = []
        self.failure = ""
        self._frames = frames
        self._wanted = wanted
        self._on_end = on_end

    @property
    def is_over(self) -> bool:
        return bool(self.failure) or len(self.answers) == self._wanted

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

    def cut_short(self, text: str) -> None:
        self.fail(f"{text}; {len(self.answers)} of {self._wanted} answers came")

    def fail(self, text: str) -> None:
        self.failure = self.failure or text
        self._on_end()


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("address", type=address, metavar="ADDRESS", help="who gets them: HOST:PORT or unix:PATH")
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
    exchange = _exchange(args)
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
        reactor.call_later(args.timeout, exchange.cut_short, f"timeout after {args.timeout:g} s")
        reactor.run()
        if not exchange.is_over:
            exchange.cut_short("interrupted")
        return exchange


def _frames(framing: Framing, messages: list[str]) -> bytes:
    try:
        return framing.encode_many(map(os.fsencode, messages))
    except FrameTooLarge as exc:
        raise Failure(str(exc), MISUSED) from None
