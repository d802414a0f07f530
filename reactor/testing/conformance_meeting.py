"""Meeting: where a promise about datagrams is checked. Law: what holds at every moment is watched in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from ..loop import EventLoop
from ..protocol import DatagramProtocol
from ..transport import Limits
from .conformance_stage import Turns

DatagramMaker = Callable[[Any, Any, Limits], AbstractContextManager[EventLoop]]

_FLOOD = 3000  # datagrams; more than lie in any queue of a kernel's


class DatagramPromise(NamedTuple):
    """A number that stays, a sentence, and what checks it."""

    number: int
    sentence: str
    check: Callable[[Meeting], None]


found: list[DatagramPromise] = []


def promise(number: int) -> Callable[[Callable[[Meeting], None]], Callable[[Meeting], None]]:
    def take(check: Callable[[Meeting], None]) -> Callable[[Meeting], None]:
        found.append(DatagramPromise(number, (check.__doc__ or "").strip(), check))
        return check

    return take


class DatagramWitness(DatagramProtocol):
    """Writes down its callbacks, and what was wrong with them. `acts`: what to do in the first one of each name."""

    to: Any = None

    def __init__(self, **acts: Callable[[Any], object]) -> None:
        self.acts = acts
        self.calls: list[str] = []
        self.wrongs: list[str] = []
        self.came: list[bytes] = []
        self.errors: list[Exception] = []
        self.lost: BaseException | None = None
        self.sender: Any = None  # of the last datagram, where sendto() needs one
        self._doing: list[str] = []

    def do(self, method: str, *args: Any) -> Any:
        """Call a method of the transport; a callback but pause_writing that comes from inside it is wrong."""
        self._doing.append(method)
        try:
            return getattr(self.transport, method)(*args)
        finally:
            self._doing.pop()

    def send(self, *datagrams: bytes) -> None:
        for each in datagrams:
            self.do("sendto", each, self.to)

    def close(self) -> None:
        self.do("close")

    def abort(self) -> None:
        self.do("abort")

    @property
    def waiting(self) -> int:
        return self.transport.get_write_buffer_size()

    @property
    def dropped(self) -> int:
        return self.transport.datagrams_dropped  # type: ignore[attr-defined, no-any-return]

    def connection_made(self, transport: Any) -> None:
        if getattr(self, "transport", None) is not transport:
            self.wrongs.append("self.transport was not set before connection_made")
        self._note("connection_made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append(data)
        if type(data) is not bytes:
            self.wrongs.append(f"datagram_received was given {data!r}")
        self.sender = addr
        self._note("datagram_received")

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self._note("error_received")

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
        act = self.acts.pop(callback, None)
        if act is not None:
            self._doing.append(callback)
            try:
                act(self)
            finally:
                self._doing.pop()

    def _what_is_wrong(self, callback: str) -> Iterator[str]:
        ending = callback == "connection_lost"
        if (callback == "connection_made") == bool(self.calls):
            yield f"{callback} came after {self.calls[-3:]}"
        if "connection_lost" in self.calls:
            yield f"{callback} came after connection_lost"
        if callback != "pause_writing" and self._doing:
            yield f"{callback} came from inside {self._doing[-1]}"
        if self.calls and self.transport.is_closing() != ending:
            yield f"{callback} came while is_closing() was {not ending}"
        paused = self.calls.count("pause_writing") - self.calls.count("resume_writing")
        if callback == ("pause_writing" if paused else "resume_writing"):
            yield f"{callback} came out of turn"


class Meeting(Turns):
    """Connects two witnesses of datagrams."""

    def pair(self, limits: Limits | None = None, **acts: Any) -> tuple[Any, Any]:
        """Connect two; the second one acts."""
        one, other = DatagramWitness(), DatagramWitness(**acts)
        self.begin(one, other, limits)
        self.until(lambda: one.calls and other.calls, "connection_made on both sides")
        return one, other

    def another(self) -> Meeting:
        return Meeting(self._maker)

    def came(self, witness: DatagramWitness, count: int) -> None:
        self.until(lambda: len(witness.came) >= count, f"{count} datagrams")

    def ended(self, witness: DatagramWitness) -> None:
        self.until(lambda: "connection_lost" in witness.calls, "connection_lost")

    def clog(self, sender: DatagramWitness) -> bool:
        """Send what nobody reads until some stays behind; False where it never does, for the network lets it fall."""
        for _ in range(_FLOOD):
            sender.send(bytes(2000))
            self._cast[1].came.clear()
            sender.transport._datagrams.leave()  # type: ignore[attr-defined]  # as the end of a turn would
            if sender.waiting:
                return True
        return False

    def _end(self) -> None:
        for each in self._cast:
            if each.calls and "connection_lost" not in each.calls:
                each.do("abort")
        self.until(lambda: all("connection_lost" in each.calls[-1:] for each in self._cast if each.calls), "the end")
        self.settle()
        for each in self._cast:
            assert not each.wrongs, f"{each.wrongs}; {each.calls[-8:]}"
        assert not self.reports, f"reported: {self.reports!r}"
