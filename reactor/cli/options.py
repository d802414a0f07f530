"""Options that commands share. Law: text becomes a checked value here, so a command only meets good ones."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any

from ..framing import Framing, presets
from ..reactor import Factory, Reactor
from ..server import Server
from ..transport import Connector, Limits
from ..transport.address import TCPAddress, UnixAddress, parse_address
from .failure import MISUSED, Failure

Address = TCPAddress | UnixAddress

_FIELDS = Framing.__dataclass_fields__.keys()  # an option is called as the field that it sets
_SLACK = 1 << 20  # bytes that may wait beside two of the largest messages: headers and small ones


def add_framing(parser: ArgumentParser) -> None:
    """Add the options that `framing_from` reads."""
    group = parser.add_argument_group("framing", "what stands in front of each message; both ends must agree")
    group.add_argument("--length-field-length", type=int, metavar="N", help="bytes of the length, 1 to 8 (default: 4)")
    group.add_argument("--byteorder", choices=("big", "little"), help="of the length (default: big)")
    group.add_argument("--varint", action="store_true", help="the length is a LEB128 varint")
    group.add_argument("--max-frame-length", type=int, metavar="N", help="largest message in bytes (default: 1 MiB)")


def add_header(parser: ArgumentParser) -> None:
    """Add the options for headers that hold more than the length; `framing_from` reads them, too."""
    group = parser.add_argument_group("header", "what else is in it")
    group.add_argument("--length-field-offset", type=int, metavar="N", help="bytes in front of the length (default: 0)")
    group.add_argument("--length-adjustment", type=int, metavar="N", help="body = length + N bytes (default: 0)")
    group.add_argument("--strip", type=int, metavar="N", help="bytes not shown of each frame (default: its header)")


def add_preset(parser: ArgumentParser) -> None:
    """Add the options for framings by their names; `framing_from` reads the first, `first_from` the other."""
    group = parser.add_argument_group("presets", "in place of the options above; " + ", ".join(presets.__all__))
    group.add_argument("--preset", type=_preset, metavar="NAME", help="the framing of a protocol")
    group.add_argument(
        "--first",
        metavar="NAME|BYTES",
        help="what comes before: one message of this preset, or so many bytes (of who opened the stream, with --pcap)",
    )


def _preset(text: str) -> str:
    name = text.replace("-", "_")
    if name not in presets.__all__:
        raise ArgumentTypeError(f"{text!r} is no preset: there are {', '.join(presets.__all__)}")
    return name


def first_from(args: Namespace) -> list[Framing]:
    """Return the framing of what comes before the messages, if something does."""
    if args.first is None:
        return []
    try:
        if args.first.isdecimal():
            return [Framing.fixed(int(args.first))]
        return [getattr(presets, _preset(args.first))()]
    except (ArgumentTypeError, ValueError) as exc:
        raise Failure(f"--first: {exc}", MISUSED) from None


def add_json(parser: ArgumentParser) -> None:
    """Add the option of commands whose figures a machine may read."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, in seconds and bytes")


def framing_from(args: Namespace, max_frame_length: int | None = None) -> Framing:
    """Return the framing that the options describe; `max_frame_length` counts where the user gave none."""
    given: dict[str, Any] = {name: value for name, value in vars(args).items() if name in _FIELDS and value is not None}
    if max_frame_length is not None:
        given.setdefault("max_frame_length", max_frame_length)
    if preset := getattr(args, "preset", None):
        return _framing_of(preset, args.varint, given)
    if args.varint and given.keys() & {"length_field_length", "byteorder"}:
        raise Failure("--varint has neither --length-field-length nor --byteorder", MISUSED)
    try:
        return Framing.varint(**given) if args.varint else Framing(**given)
    except ValueError as exc:
        raise Failure(str(exc), MISUSED) from None


def _framing_of(preset: str, varint: bool, given: dict[str, Any]) -> Framing:
    """Return a preset's framing, which takes its limit from the options and nothing else."""
    if varint or given.keys() - {"max_frame_length"}:
        raise Failure("--preset says all of the framing: of its options only --max-frame-length goes with it", MISUSED)
    try:
        framing: Framing = getattr(presets, preset)(**given)
    except ValueError as exc:
        raise Failure(str(exc), MISUSED) from None
    return framing


def framing_arguments(framing: Framing) -> list[str]:
    """Return the arguments from which another process builds the same framing."""
    limit = ["--max-frame-length", str(framing.max_frame_length)]
    if framing.max_varint_bytes:
        return ["--varint", *limit]
    return ["--length-field-length", str(framing.length_field_length), "--byteorder", framing.byteorder, *limit]


def largest_message(framing: Framing) -> int:
    """Return how long a message may be: what the limit and the length field both allow."""
    return min(framing.max_frame_length, framing.length_field_max)


def limits_for(framing: Framing) -> Limits:
    """Return limits under which two of the largest messages may wait for the peer."""
    default = Limits()
    assert default.max_write_buffer is not None
    return Limits(max_write_buffer=max(default.max_write_buffer, 2 * largest_message(framing) + _SLACK))


def address(text: str) -> Address:
    """Read HOST:PORT or unix:PATH."""
    try:
        return parse_address(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None


def listen(reactor: Reactor, factory: Factory, where: Address, limits: Limits) -> Server:
    """Listen where an address says."""
    if isinstance(where, UnixAddress):
        return reactor.listen_unix(factory, where.path, limits=limits)
    return reactor.listen_tcp(factory, *where, limits=limits)


def connect(reactor: Reactor, factory: Factory, where: Address, **options: Any) -> Connector:
    """Connect to where an address says."""
    if isinstance(where, UnixAddress):
        return reactor.connect_unix(factory, where.path, **options)
    return reactor.connect_tcp(factory, *where, **options)


class UDPAddress(TCPAddress):
    """Where datagrams go."""

    def __str__(self) -> str:
        return f"udp:{super().__str__()}"


def address_or_udp(text: str) -> Address:
    """Read HOST:PORT, unix:PATH or udp:HOST:PORT."""
    if not text.startswith("udp:"):
        return address(text)
    where = address(text[4:])
    if isinstance(where, UnixAddress):
        raise ArgumentTypeError(f"{text!r} is a Unix socket: udp:HOST:PORT is needed")
    return UDPAddress(*where)


def refuse_framing(args: Namespace) -> None:
    """Refuse what would mean nothing: a datagram is a message, and has no header."""
    if args.varint or any(value is not None for name, value in vars(args).items() if name in _FIELDS):
        raise Failure("over udp a message is a datagram: no option of framing counts", MISUSED)


def seconds(text: str) -> float:
    """Read a duration."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"{text} is not a duration: 0 or more seconds are needed")
    return value


def between(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in a range, both ends included."""

    def whole_number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text} is out of range: {low} to {high}")
        return value

    return whole_number
