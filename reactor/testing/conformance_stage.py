"""Stage: where a promise is played. Law: what holds for every transport at every moment is watched in one place.

A `Witness` judges each of its callbacks as it comes: order, number, re-entrancy, and whether it may come at all. So
every promise checks the common ones, too.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

from ..errors import FramingError
from ..loop import EventLoop
from ..protocol import FramedProtocol, Protocol
from ..transport import Limits

Maker = Callable[[Any, Any, Limits], AbstractContextManager[EventLoop]]

CHUNK = random.Random(1).randbytes(256 * 1024)
_PATIENCE = 10.0  # seconds until what never comes is a broken promise
_WAIT = 0.002  # seconds at most in one turn: what holds is seen soon
_SETTLED = 8  # turns in which a loopback would have brought what must not come
_MOST_IN_KERNEL = 256 << 20  # bytes; a transport that takes more never fills


class Promise(NamedTuple):
    """A number that stays, a sentence, and what checks it on a stage."""

    number: int
    sentence: str
    check: Callable[[Stage], None]


class Promises(list[Promise]):
    """The promises of one theme. Use an instance as the decorator of a function whose docstring is the sentence."""

    def __call__(self, number: int) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
        def take(check: Callable[[Stage], None]) -> Callable[[Stage], None]:
            self.append(Promise(number, (check.__doc__ or "").strip(), check))
            return check

        return take


class Witness(Protocol):
    """Writes down its callbacks, and what was wrong with them. `acts`: what to do in the first one of each name."""

    def __init__(self, keep_open: bool = False, **acts: Callable[[Any], object]) -> None:
        self.acts = acts
        self.keep_open = keep_open
        self.calls: list[str] = []
        self.wrongs: list[str] = []
        self.sent = bytearray()
        self.data = bytearray()
        self.lost: BaseException | None = None
        self.heir: Witness | None = None
        self._doing: list[str] = []
        self._inside: list[str] = []

    # --- what it does

    def do(self, method: str, *args: Any) -> Any:
        """Call a method of the transport; a callback that comes from inside it is wrong."""
        self._doing.append(method)
        try:
            return getattr(self.transport, method)(*args)
        finally:
            self._doing.pop()

    def write(self, data: bytes) -> None:
        self.sent += data
        self.do("write", data)

    def hand_over(self, heir: Witness, *initial: bytes) -> None:
        """Let another protocol go on; it is given nothing from inside this."""
        self.heir = heir
        heir.calls.append("connection_made")
        self.do("set_protocol", heir, *initial)
        if heir.calls[1:] not in ([], ["pause_writing"]):
            self.wrongs.append(f"{heir.calls[1:]} came from inside set_protocol()")

    @property
    def size(self) -> int:
        return self.transport.get_write_buffer_size()

    @property
    def dropped(self) -> int:
        return self.transport.writes_dropped  # type: ignore[attr-defined, no-any-return]

    # --- what it sees

    @property
    def made(self) -> bool:
        return bool(self.calls)

    @property
    def ends(self) -> int:
        """How often it, or its heir, was told the end."""
        return self.calls.count("connection_lost") + (self.heir.ends if self.heir is not None else 0)

    def connection_made(self, transport: Any) -> None:
        if getattr(self, "transport", None) is not transport:
            self.wrongs.append("self.transport was not set before connection_made")
        self._note("connection_made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if type(data) is not bytes or not data:
            self.wrongs.append(f"data_received was given {data!r}")
        self._note("data_received")

    def eof_received(self) -> bool:
        self._note("eof_received")
        return self.keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = exc
        self._note("connection_lost")

    def pause_writing(self) -> None:
        self._note("pause_writing")

    def resume_writing(self) -> None:
        self._note("resume_writing")

    def _note(self, callback: str) -> None:
        self.wrongs += self._what_is_wrong(callback)
        self.calls.append(callback)
        self._inside.append(callback)
        try:
            act = self.acts.pop(callback, None)
            if act is not None:
                act(self)
        finally:
            self._inside.pop()

    def _what_is_wrong(self, callback: str) -> Iterator[str]:
        calls, ending = self.calls, callback == "connection_lost"
        if self.heir is not None:
            yield f"{callback} came after set_protocol() had given the transport to another"
        if (callback == "connection_made") == bool(calls):
            yield f"{callback} came after {calls[-3:]}"
        if "connection_lost" in calls:
            yield f"{callback} came after connection_lost"
        if callback != "pause_writing" and (self._doing or self._inside):
            yield f"{callback} came from inside {(self._doing or self._inside)[-1]}"
        if not ending and calls and self.transport.is_closing():
            yield f"{callback} came after the end was decided"
        if ending and not self.transport.is_closing():
            yield "is_closing() is False in connection_lost"
        yield from self._wrong_input(callback)
        yield from self._wrong_turns(callback)

    def _wrong_input(self, callback: str) -> Iterator[str]:
        if callback in ("data_received", "buffer_updated", "message_received", "eof_received"):
            if "eof_received" in self.calls:
                yield f"{callback} came after eof_received"
            if not self.transport.is_closing() and not self.transport.is_reading():
                yield f"{callback} came while reading was paused"

    def _wrong_turns(self, callback: str) -> Iterator[str]:
        paused = self.calls.count("pause_writing") - self.calls.count("resume_writing")
        if callback == "pause_writing" and paused:
            yield "pause_writing came twice"
        if callback == "resume_writing" and not paused:
            yield "resume_writing came without pause_writing"


class BufferedWitness(Witness):
    """A witness that is read into, as asyncio's BufferedProtocol. Its buffer is small, so there are many calls."""

    _room = bytearray(7)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self._room[:nbytes]
        self._note("buffer_updated")


class FramedWitness(Witness, FramedProtocol):
    """A witness of messages. `at`: an index and what to do inside the message that has it."""

    def __init__(self, at: tuple[int, Callable[[Any], object]] | None = None, **acts: Any) -> None:
        super().__init__(**acts)
        self.messages: list[bytes] = []
        self.failed: BaseException | None = None
        self._at = at

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)
        if self._at is not None and len(self.messages) == self._at[0] + 1:
            self.acts["message_received"] = self._at[1]
        self._note("message_received")

    def framing_failed(self, exc: FramingError) -> None:
        self.failed = exc
        self._note("framing_failed")


Played = TypeVar("Played", bound="Turns")


class Turns:
    """Who plays on a loop: turns until something holds, and a look at the end whether all is in order."""

    loop: EventLoop

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._cast: list[Any] = []
        self._stack = ExitStack()
        self.reports: list[BaseException | None] = []

    def __enter__(self: Played) -> Played:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if kind is None and self._cast:
                self._end()

    def begin(self, one: Any, other: Any, limits: Limits | None = None) -> None:
        """Begin to connect two; a test that acts in connection_made waits for no more."""
        self._cast = [one, other]
        self.loop = self._stack.enter_context(self._maker(one, other, limits or Limits()))
        self.loop.set_exception_handler(lambda _, context: self.reports.append(context.get("exception")))

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Make turns until the condition holds."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}: it never came; {self._story()}"
            self.loop.run_once(_WAIT)

    def settle(self) -> None:
        """Make the turns in which what must not come would come."""
        for _ in range(_SETTLED):
            self.loop.run_once(0)

    def run(self) -> None:
        """Let the loop run until it is stopped; a promise that forgets to is broken, too."""
        timer = self.loop.call_later(_PATIENCE, self.loop.stop)
        self.loop.run()
        assert timer.when > self.loop.time(), f"stop(): it never came; {self._story()}"
        timer.cancel()

    def take_reports(self) -> list[BaseException | None]:
        taken, self.reports = self.reports, []
        return taken

    def _end(self) -> None:
        """Look whether all is over, and was in order."""
        raise NotImplementedError

    def _everybody(self) -> Iterator[Any]:
        yield from self._cast

    def _story(self) -> str:
        return " | ".join(_short(each.calls) for each in self._everybody())


class Stage(Turns):
    """Connects two witnesses of a stream."""

    @contextmanager
    def another(self, case: str) -> Iterator[Stage]:
        """Play one case of a promise on a stage of its own; a failure names it."""
        try:
            with Stage(self._maker) as stage:
                yield stage
        except Exception as exc:
            raise AssertionError(f"{case}: {why(exc)}") from exc

    def connect(self, one: Witness, other: Witness, limits: Limits | None = None) -> None:
        self.begin(one, other, limits)
        self.met(one, other)

    def pair(self, limits: Limits | None = None) -> tuple[Witness, Witness]:
        """Connect two who do nothing of their own."""
        one, other = Witness(), Witness()
        self.connect(one, other, limits)
        self.settle()  # a handshake may have an end that nobody waits for
        return one, other

    # --- time

    def pass_time(self, seconds: float) -> None:
        """Make turns for so long."""
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            self.loop.run_once(_WAIT)

    def arrived(self, sender: Witness, receiver: Witness) -> None:
        """Wait until all that one has written has come to the other, in order."""
        self.until(lambda: len(receiver.data) >= len(sender.sent), "all the bytes that were written")
        assert receiver.data == sender.sent, "other bytes arrived than were written"

    def met(self, *witnesses: Witness) -> None:
        self.until(lambda: all(each.made for each in witnesses), "connection_made on both sides")

    def came(self, witness: Witness, callback: str) -> None:
        self.until(lambda: callback in witness.calls, callback)

    def ended(self, *witnesses: Witness) -> None:
        self.until(lambda: all(each.ends for each in witnesses), "connection_lost")

    def clog(self, writer: Witness, reader: Witness, chunk: bytes = CHUNK) -> None:
        """Let the reader pause, and fill what lies between, until bytes stay behind in the writer."""
        reader.do("pause_reading")
        writer.do("set_write_buffer_limits", 1 << 30)
        quiet = 0
        while quiet < _SETTLED:
            before = writer.size
            if not before:
                writer.write(chunk)
            self.loop.run_once(0)
            quiet = quiet + 1 if before and writer.size == before else 0
            assert len(writer.sent) < _MOST_IN_KERNEL, "a transport whose peer doesn't read takes everything"

    # --- the end

    def _end(self) -> None:
        self.until(self._all_over, "connection_lost after abort()")
        self.settle()
        for each in self._everybody():
            assert not each.wrongs, f"{each.wrongs}; {self._story()}"
        for each in self._cast:
            assert each.ends == each.made, f"connection_lost came {each.ends} times; {self._story()}"
        assert not self.reports, f"reported: {self.reports!r}; {self._story()}"

    def _all_over(self) -> bool:
        open_ = [each for each in self._cast if each.made and not each.ends]
        for each in open_:
            each.do("abort")
        return not open_

    def _everybody(self) -> Iterator[Witness]:
        for each in self._cast:
            while each is not None:
                yield each
                each = each.heir


def _short(calls: list[str]) -> str:
    return " ".join(calls if len(calls) <= 12 else [*calls[:6], "...", *calls[-5:]])


def raises(kind: type[BaseException], call: Any, *args: Any) -> None:
    try:
        call(*args)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised for {args!r:.60}")


def why(exc: Exception) -> str:
    """Say what was wrong: in words if there are some, else by the line of code that found it."""
    line = traceback.extract_tb(exc.__traceback__)[-1].line
    if isinstance(exc, AssertionError):
        return str(exc) or f"not so: {line}"
    return f"{type(exc).__name__}: {exc}"
