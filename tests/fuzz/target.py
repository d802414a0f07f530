"""What a fuzzer runs: a few bytes choose a Framing and a program, the rest is the stream; the twins take every step.

An input is `framing[6] count[1] (code argument)[count] stream`, one byte each: any bytes at all are an input, and a
mutation of one part leaves the others where they are. A step tells what both decoders returned or raised, and all that
they say of themselves afterwards; the first difference is an AssertionError that says what was done until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import Any

from reactor import FrameTooLarge, Framing, FramingError, Piece
from reactor.framing import _codec_c as compiled
from reactor.framing import _codec_py as pure

Told = tuple[Any, ...]
Act = Callable[[Any], Any]

HEADER = 7  # bytes of an input in front of its program
MOST_STEPS = 16
MOST_FLOODED = 140_000  # bytes of a run that no input brought: what is beyond costs time and finds nothing

_MAX = 1 << 62
_ADJUSTMENTS = [0] * 48 + [*range(1, 17), *range(-24, 0), -255, -256, -65536, 65535, 1 << 31, _MAX, -_MAX, 1 - _MAX]
_LIMITS = [*range(24), 127, 128, 255, 256, 300, 65535, 65536, 65537, 1 << 17, 1 << 31, _MAX, 1 << 64, *[1 << 20] * 12]
_OFFSETS = [0] * 8 + [1, 2, 3, 4, 6, 15, 16, 17, 40]
_STRIPS = [None] * 16 + [*range(16), 20, 41, 44, 300, 65536, _MAX + 9]
_FLOODS = [300, 4096, 65535, 65536, 65537, 1 << 17]

_DELIMITERS = [b"\n", b"\r\n", b"\0", b"aab", b"\0\0", bytes(16), b"abababab", b"\r\n.\r\n"]


def _digits(head: bytes) -> tuple[int, int] | None:
    """A netstring's header; whatever int() refuses is no number."""
    if (at := head.find(b":")) < 0:
        return None
    return at + 1, int(head[:at])


def _far(head: bytes) -> tuple[int, int] | None:
    """A header of a byte, told when five have come."""
    return (1, head[0] % 8) if len(head) >= 5 else None


def _ahead(head: bytes) -> tuple[int, int]:
    """A header of four bytes, told with the first."""
    return 4, head[0]


def _wrong(head: bytes) -> Any:
    """All that can be wrong with an answer, by the second byte."""
    if len(head) < 2:
        return None
    answers: list[Any] = [
        (2, 1),
        (2, -1),
        (-1, 2),
        (9, 1),
        (0, 0),
        "no",
        (2, 1, 1),
        (True, 1),
        (2, 1 << 70),
        [2, 1],
        (0, 3),
    ]
    if head[1] == 255:
        raise KeyError(head)
    if head[1] == 254:
        raise FrameTooLarge("of its own", 7)
    return one_of(answers, head[1])


def _write(size: int, prefix: bytes) -> Any:
    """What may be in front of a body, and what may not, by its size."""
    answers: list[Any] = [b"", b"%d:" % size, bytearray(3), memoryview(b"view"), bytes(7), prefix, None, "no", 3]
    if size % 10 == 9:
        raise ValueError(f"{size} is nothing to send after {prefix!r}")
    return one_of(answers, size % 10)


_HEADERS = [_digits, _far, _ahead, _wrong]

_numbers = attrgetter(
    "header", "stream_offset", "buffered", "undecoded", "wanted", "in_frame", "discarded", "max_frame_length"
)
_REFUSALS = (FramingError, RuntimeError, ValueError, TypeError, BufferError, OverflowError)


def check(data: bytes) -> None:
    """Run one input. Raises AssertionError where the twins differ, or where the cut made a difference."""
    if len(data) > HEADER:
        start = HEADER + 2 * (data[6] % MOST_STEPS)
        Run(framing_of(data[:6]), data[HEADER:start], data[start:]).whole()


def one_of(choices: list[Any], byte: int) -> Any:
    return choices[byte % len(choices)]


@lru_cache(1 << 14)
def framing_of(choice: bytes) -> Framing:
    """Return the Framing that six bytes stand for, or the nearest one that may be built."""
    kind, offset, adjustment, strip, limit, oversize = choice
    shape = {
        "length_field_offset": one_of(_OFFSETS, offset),
        "length_adjustment": one_of(_ADJUSTMENTS, adjustment),
        "strip": one_of(_STRIPS, strip),
        "max_frame_length": one_of(_LIMITS, limit),
        "oversize": one_of(["error", "discard", "stream"], oversize),
    }
    for repair in ({}, {"strip": None}, {"length_adjustment": 0}):
        shape |= repair
        try:
            if kind >= 216:
                return other_framing_of(kind, shape)
            if kind >= 160:
                return Framing.varint(max_varint_bytes=kind % 10 + 1, **shape)
            return Framing(kind % 8 + 1, "little" if kind & 8 else "big", **shape)
        except ValueError:
            continue
    raise AssertionError(f"no Framing for {choice!r}")


def other_framing_of(kind: int, shape: dict[str, Any]) -> Framing:
    """Return a Framing that has no length field."""
    way, choice = divmod(kind - 216, 8)
    if way == 0:
        return Framing.fixed(choice * choice + 1)
    limits = {name: shape[name] for name in ("max_frame_length", "oversize")}
    if way < 3:
        return Framing.delimited(_DELIMITERS[choice], keep=way == 1, **limits)
    strip = None if shape["strip"] is None else shape["strip"] % 8
    shape = {"max_header_length": 5 + choice // 4, "strip": strip, **limits}
    return Framing.custom(one_of(_HEADERS, choice), None if choice == 7 else _write, **shape)


def told(value: Any) -> Any:
    """Return what there is to compare of a result, types and all."""
    if type(value) is bytes or value is None:
        return value
    if isinstance(value, list):
        return list(map(told, value))
    if isinstance(value, Piece):
        return Piece, bytes(value), value.offset, value.length, value.last
    if isinstance(value, BaseException):
        return type(value), str(value), vars(value)
    return type(value), value


def state(decoder: Any) -> Told:
    return (*_numbers(decoder), told(decoder.error))


def joined(frames: Iterable[bytes]) -> list[bytes]:
    """Put the pieces of streamed frames together: how many they are does depend on the cut."""
    parts: list[list[bytes]] = []
    is_open = False
    for frame in frames:
        if is_open:
            parts[-1].append(frame)
        else:
            parts.append([frame])
        is_open = isinstance(frame, Piece) and not frame.last
    return [b"".join(each) for each in parts]


class Run:
    """One input on its way through both twins."""

    def __init__(self, framing: Framing, program: bytes, stream: bytes) -> None:
        self.framing = framing
        self.program = program
        self.stream = stream
        self.at = 0  # in the stream
        self.flooded = 0
        self.decoders = [pure.Decoder(framing), compiled.Decoder(framing)]
        self.iterators: list[Iterator[bytes]] = []
        self.frames: list[bytes] = []
        self.fed: list[bytes] = []  # what the decoders took
        self.plain = True  # nothing has happened but bytes that came
        self.done: list[tuple[Callable[..., None], int]] = []

    def whole(self) -> None:
        """Run the program, feed what it left of the stream, and end."""
        for at in range(0, len(self.program) - 1, 2):
            code, argument = self.program[at : at + 2]
            step = STEPS[code % len(STEPS)]
            self.done.append((step, argument))
            step(self, argument)
        self.iterate(0)
        self.bring(self.stream[self.at :], lambda decoder, chunk: decoder.feed(chunk))
        self.compare_with_one_chunk()
        self.end()

    # Comparing.

    def both(self, act: Act) -> Any:
        """Let both decoders take a step; return what it gave if it was accepted, None if it was refused."""
        (accepted, value), (also_accepted, also) = (attempt(act, decoder) for decoder in self.decoders)
        one = (accepted, told(value), state(self.decoders[0]))
        other = (also_accepted, told(also), state(self.decoders[1]))
        if one != other:
            raise AssertionError(self.story(f"pure     {one}", f"compiled {other}"))
        return value if accepted else None

    def bring(self, chunk: bytes, act: Callable[[Any, bytes], Any]) -> None:
        """Let both decoders take a chunk and keep account of it."""
        frames = self.both(lambda decoder: act(decoder, chunk))
        if frames is not None:
            self.fed.append(chunk)
            self.frames += frames

    def compare_with_one_chunk(self) -> None:
        """Law 1: another cut, namely none, gives the same."""
        if not self.plain or len(self.fed) < 2:
            return
        decoder = compiled.Decoder(self.framing)
        frames = joined(decoder.feed(b"".join(self.fed)))
        one = (joined(self.frames), told(self.decoders[0].error), self.decoders[0].discarded)
        other = (frames, told(decoder.error), decoder.discarded)
        if decoder.error is None:
            one += state(self.decoders[0])
            other += state(decoder)
        if one != other:
            raise AssertionError(self.story(f"cut       {one}", f"in one go {other}"))

    def end(self) -> None:
        self.both(lambda decoder: decoder.feed_eof())
        self.both(lambda decoder: decoder.detach())
        self.both(lambda decoder: decoder.feed(b"x"))

    def story(self, *findings: str) -> str:
        steps = " ".join(f"{step.__name__}({argument})" for step, argument in self.done)
        head = [f"{self.framing!r}", f"stream {self.stream!r}", f"steps {steps}, and then the rest"]
        return "\n".join([*head, *(each[:4000] for each in findings)])

    # The steps of a program. Each takes its argument byte.

    def next_chunk(self, size: int) -> bytes:
        """Return the next bytes of the stream: few, for what breaks is what is cut."""
        start = self.at
        self.at += size % 32
        return self.stream[start : self.at]

    def feed(self, size: int) -> None:
        self.bring(self.next_chunk(size), lambda decoder, chunk: decoder.feed(chunk))

    def feed_bytearray(self, size: int) -> None:
        def act(decoder: Any, chunk: bytes) -> Any:
            lent = bytearray(chunk)
            try:
                return decoder.feed(lent)
            finally:
                lent.clear()  # a BufferError, if the decoder still held it

        self.bring(self.next_chunk(size), act)

    def feed_view(self, size: int) -> None:
        """Feed memory that isn't a plain row of bytes."""
        ways: list[Callable[[bytes], Any]] = [
            memoryview,
            lambda chunk: memoryview(bytes(byte for byte in chunk for _ in "12"))[::2],
            lambda chunk: memoryview(chunk[::-1])[::-1],
            lambda chunk: memoryview(chunk).cast("H") if len(chunk) % 2 == 0 else chunk,
            lambda chunk: memoryview(chunk).cast("B", [2, len(chunk) // 2]) if chunk and len(chunk) % 2 == 0 else chunk,
            lambda chunk: Piece(chunk, 0, 0),
        ]
        way = ways[(size >> 5) % len(ways)]
        self.bring(self.next_chunk(size), lambda decoder, chunk: decoder.feed(way(chunk)))

    def read(self, size: int) -> None:
        """Read in place, as much as both offer room for: in a large body the twins offer different rooms."""
        views = self.views(size)
        self.fill(views, self.next_chunk(min([size, *map(len, views)])))

    def read_much(self, argument: int) -> None:
        """Read in place as much as there is room for."""
        size = one_of(_FLOODS, argument)
        views = self.views(size)
        self.fill(views, self.flood(min([size, *map(len, views)]), argument))

    def views(self, size: int) -> list[Any]:
        """Return what the decoders offer, or nothing if they refuse."""
        views: list[Any] = []
        self.both(lambda decoder: views.append(decoder.get_buffer(size)))
        for view in views:
            view[:8] = bytes(min(8, len(view)))  # what is offered need not be zeros, and read_wrongly() writes nothing
        return views

    def fill(self, views: list[Any], chunk: bytes) -> None:
        for view in views:
            view[: len(chunk)] = chunk
        self.bring(chunk, lambda decoder, chunk: decoder.buffer_updated(len(chunk)))

    def read_wrongly(self, argument: int) -> None:
        """Say a number of bytes that can't be, or any number without a buffer; perhaps go on as if nothing were."""
        self.plain = False  # what lies in a buffer that is used twice isn't known here
        size = argument & 7
        if argument & 8:
            views = self.views(size)
            if len(set(map(len, views))) > 1:
                return self.fill(views, b"")  # the text would tell the room
        count = (-1, 8, 1 << 70, -(1 << 70))[argument >> 4 & 3]
        self.bring(bytes(8), lambda decoder, _: decoder.buffer_updated(count))
        if argument & 128:
            self.bring(bytes(size), lambda decoder, _: decoder.buffer_updated(size))
        return None

    def flood(self, size: int, argument: int) -> bytes:
        """Return bytes that the input needn't have; few beyond a large body, or they'd be myriads of empty frames."""
        size = min(size, self.decoders[0].wanted + argument % 4, MOST_FLOODED - self.flooded)
        self.flooded += size
        return bytes([argument]) * size

    def feed_much(self, argument: int) -> None:
        self.bring(self.flood(one_of(_FLOODS, argument), argument), lambda decoder, chunk: decoder.feed(chunk))

    def push(self, size: int) -> None:
        """Bring a chunk and take none of its frames."""

        def act(decoder: Any, chunk: bytes) -> list[bytes]:
            lent = bytearray(chunk)
            decoder.push(lent)
            lent[:] = bytes(len(lent))  # it has to have been copied
            return []

        self.bring(self.next_chunk(size), act)

    def iterate(self, count: int) -> None:
        """Take some frames of the chunk at hand by a new iterator, which is kept."""
        self.iterators = [iter(decoder) for decoder in self.decoders]
        self.go_on(count)

    def go_on(self, count: int) -> None:
        """Take some more frames by the iterator that was kept; 0 for all there are."""
        if self.iterators:
            old = dict(zip(map(id, self.decoders), self.iterators, strict=True))
            self.frames += self.both(lambda decoder: list(islice(old[id(decoder)], count % 8 or None)))

    def set_limit(self, argument: int) -> None:
        self.plain = False
        limit = one_of([*_LIMITS, -1, True, None, "9"], argument)
        self.both(lambda decoder: setattr(decoder, "max_frame_length", limit))

    def end_of_stream(self, _: int) -> None:
        self.plain = False
        self.both(lambda decoder: decoder.feed_eof())

    def detach(self, argument: int) -> None:
        """End, and perhaps hand the rest to decoders of the same framing: nothing is lost on the way."""
        self.plain = False
        rest = self.both(lambda decoder: decoder.detach())
        if argument & 1:
            self.decoders = [pure.Decoder(self.framing), compiled.Decoder(self.framing)]
            self.iterators = []
            self.bring(rest, lambda decoder, chunk: decoder.feed(chunk))

    def encode(self, size: int) -> None:
        framing, chunk = self.framing, self.next_chunk(size)
        prefix = bytes(framing.length_field_offset + (size == 7))
        encoders = [pure.encoder_of(framing), compiled.encoder_of(framing)]
        bodies = [chunk, bytearray(chunk[1:]), memoryview(chunk)[::2]]
        calls: list[Act] = [
            lambda encoder: encoder.encode(chunk, prefix),
            lambda encoder: encoder.encode_many(bodies),
            lambda encoder: encoder.header(size, prefix),
            lambda encoder: encoder.parts(bodies),
        ]
        for call in calls:
            one, other = ([told(part) for part in attempt(call, encoder)] for encoder in encoders)
            if one != other:
                raise AssertionError(self.story(f"pure     {one}", f"compiled {other}"))


STEPS = [
    Run.feed,
    Run.feed,
    Run.read,
    Run.push,
    Run.iterate,
    Run.go_on,
    Run.feed_bytearray,
    Run.feed_view,
    Run.set_limit,
    Run.read_much,
    Run.feed_much,
    Run.end_of_stream,
    Run.detach,
    Run.encode,
    Run.read_wrongly,
    Run.feed,
]


def attempt(act: Act, subject: Any) -> tuple[bool, Any]:
    """Return whether it was accepted, and what came: a result or an exception."""
    try:
        return True, act(subject)
    except _REFUSALS as error:
        return False, error
