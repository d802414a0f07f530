"""What a fuzzer drives a stream by: bytes that say what peers do, and what is done inside which callback.

A script is `setup[6] (what where how)*`, one byte each: any bytes are a script, and to leave out a step leaves the
others what they are. A step is done at once, or waits for the next callback that `where` names. The same script runs
over both twins, and each is told the same; what must hold for every script, whatever its protocols do, is in `World`.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fuzz.links import CALLBACKS, Fault, Link
from fuzz.steps import ACTS, PEER_STEPS, contexts, new_protocol
from fuzz.target import compiled, one_of, pure

import reactor
from reactor import Framing, Limits, Reactor
from reactor.framing import spec
from reactor.testing import ManualClock, MemorySelector
from reactor.transport import _stream, sockets, tls
from reactor.transport.buffers import read_memory
from reactor.transport.tls import TLS

SETUP = 6  # bytes of a script in front of its steps: for each of two links, its protocol, its limits, its wire
MOST_STEPS = 120
TWINS = ["py", "c", "c with its own decoders"]
_PATIENCE = 400  # turns: more than any script leaves to do

_REFUSALS = (RuntimeError, reactor.ReactorError, ValueError)
_memory = read_memory()

Note = tuple[Any, ...]


def check(script: bytes, sealed: bool, twins: Iterable[str] = TWINS) -> None:
    """Run a script over the twins. Raises Fault, which tells the script and what came of it."""
    traces = []
    for twin in twins:
        trace: list[Note] = []
        try:
            with using(twin):
                World(script, sealed, trace).run()
        except Fault as fault:
            raise Fault(story(script, sealed, twin, str(fault), trace)) from fault
        traces.append(trace)
    if any(trace != traces[0] for trace in traces):
        at = next((at for at, pair in enumerate(zip(*traces, strict=False)) if pair[0] != pair[1]), -1)
        told = [f"{twin}: {trace[at : at + 2]}" for twin, trace in zip(twins, traces, strict=True)]
        raise Fault(story(script, sealed, "both", f"the twins differ: {told}", traces[0][:at]))


def story(script: bytes, sealed: bool, twin: str, fault: str, trace: list[Note]) -> str:
    replay = f"road.check(bytes.fromhex({script.hex()!r}), sealed={sealed})"
    steps = " ".join(f"{step.__name__}@{where or 'now'}({how})" for step, where, _, how in steps_of(script))
    return f"{fault[:1500]}\nin {twin}: {replay}\nsteps {steps}\ntrace {trace[-30:]}"


def shrunk(script: bytes, sealed: bool) -> bytes:
    """Leave out of a script that fails every step without which it fails still."""

    def fails(shorter: bytes) -> bool:
        try:
            check(shorter, sealed)
        except Fault:
            return True
        return False

    size = 96
    while size:
        at = SETUP
        while at < len(script):
            shorter = script[:at] + script[at + size :]
            if fails(shorter):
                script = shorter
            else:
                at += size
        size //= 2 if size > 3 else 3
        size -= size % 3
    return script


@contextmanager
def using(twin: str) -> Iterator[None]:
    """Let every stream be one twin's, and let what is let go of go without the collector."""
    codec = importlib.import_module(f"reactor.framing._codec_{twin.split()[0]}")
    stream = importlib.import_module(f"reactor.transport._stream_{twin.split()[0]}")
    before = _stream.Stream, spec.Decoder, spec.encoder_of
    _stream.Stream, spec.Decoder, spec.encoder_of = stream.Stream, codec.Decoder, codec.encoder_of
    if "own" in twin:
        spec.Decoder = own_decoder
    reactor.FramedProtocol.framing = Framing()  # one that has made no codec yet
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _stream.Stream, spec.Decoder, spec.encoder_of = before
        reactor.FramedProtocol.framing = Framing()
        if collects:
            gc.enable()


def own_decoder(framing: Framing) -> Any:
    """Decode as a framing of the user's own does: by what the compiled stream doesn't know. TLS has its own, too."""
    return (compiled if framing is tls._RECORDS else pure).Decoder(framing)  # type: ignore[attr-defined]


def steps_of(script: bytes) -> Iterator[tuple[Callable[..., Any], str, int, int]]:
    """Return what is done, in which callback ("" for at once), at which link, and how."""
    for at in range(SETUP, min(len(script) - 2, SETUP + 3 * MOST_STEPS), 3):
        what, where, how = script[at : at + 3]
        if what % 2:
            step, call = one_of(PEER_STEPS, what >> 1), ""
        else:
            step, call = one_of(ACTS, what >> 1), one_of(["", *CALLBACKS], where & 63)
        yield step, call, where >> 6, how


class World:
    """A loop, two links, and what must hold of them."""

    def __init__(self, script: bytes, sealed: bool, trace: list[Note]) -> None:
        self.script = script
        self.sealed = sealed
        self.trace = trace
        self.clock = ManualClock()
        self.loop = Reactor(MemorySelector(), self.clock)
        self.loop.set_exception_handler(lambda _, context: self._reported(context))
        self.faults: list[str] = []
        self.kept: list[Callable[[bytes], None]] = []
        self.holds: list[Any] = []
        setup = script[:SETUP].ljust(SETUP, b"\0")
        self.links = [self._link(name, *setup[3 * name : 3 * name + 3]) for name in range(2)]

    def _link(self, name: int, kind: int, limit: int, wire: int) -> Link:
        server, client = contexts()
        capacity = one_of([16 * 1024, 256 * 1024], wire)
        link = Link(name, self.note, self.act, client if self.sealed else None, capacity)
        limits = Limits(
            idle_timeout=one_of([None, 30], limit >> 7), frame_timeout=10, write_timeout=15, close_timeout=9,
            handshake_timeout=8, read_timeout=one_of([None, 20], limit >> 6), low_water=300,
            high_water=one_of([1000, 65536], limit >> 5), max_write_buffer=one_of([None, 2000, 200_000], limit & 3),
            overflow=one_of(["abort", "raise", "drop"], limit >> 2 & 3),
        )  # fmt: skip
        ours = TLS(server, server_side=True) if self.sealed else None
        link.start(self.loop, _memory, new_protocol(link, kind), limits, ours, close)
        return link

    def note(self, *what: Any) -> None:
        self.trace.append(what)

    def _reported(self, context: dict[str, Any]) -> None:
        exc = context["exception"]
        self.note("report", context["message"], type(exc).__name__)
        if not isinstance(exc, ZeroDivisionError):
            self.faults.append(f"{context['message']}: {exc!r}")

    # --- running

    def run(self) -> None:
        try:
            self._do_all()
            self._let_all_be_read()
            self._end()
        finally:
            for link in self.links:
                link.plans.clear()
                if link.connection is not None:
                    link.connection.abort()
            if not self.loop.is_closed():
                self.turn()
                self.loop.close()

    def _do_all(self) -> None:
        self.turn()
        for step, call, which, how in steps_of(self.script):
            link = self.links[which & 1]
            if step in PEER_STEPS:
                self._peer_step(step, link, how)
            elif call:
                link.plans[call].append((step, which, how))
            elif link.connection.made and not link.losses:
                with suppress(ZeroDivisionError, KeyboardInterrupt):
                    self.act(link, link.connection.get_protocol(), step, which, how)
            self._check()

    def _peer_step(self, step: Callable[..., None], link: Link, how: int) -> None:
        self.note("peer", step.__name__)
        try:
            step(self, link, how)
        except (OSError, ValueError) as exc:  # the peer's own, ssl.SSLError too: it meets what it has done
            self.note("peer met", type(exc).__name__)

    def act(self, link: Link, protocol: Any, act: Callable[..., Any], which: int, how: int) -> Any:
        """Do what was planned, by this protocol, or to the other link."""
        if which & 2:
            link = self.links[1 - link.name]
            protocol = link.connection.get_protocol()
        if protocol is None or protocol.transport is None:
            return None
        self.note("act", link.name, act.__name__)
        try:
            return act(self, link, protocol, how)
        except _REFUSALS as exc:
            if isinstance(exc, Fault):
                raise
            self.note("refused", type(exc).__name__, str(exc))
        return None

    def turn(self) -> None:
        try:
            self.loop.run_once(0)
        except KeyboardInterrupt:
            self.note("interrupted")

    def settle(self) -> None:
        """Make turns until one has nothing to do."""
        for _ in range(_PATIENCE):
            before = self._done()
            self.turn()
            if self._done() == before:
                return
        raise Fault(f"it spins: {[(link.connection, link.connection._watch.mask) for link in self.links]}")

    def _done(self) -> list[int]:
        stats = self.loop.stats()
        return [stats["calls"], stats["events"], stats["ready"], len(self.trace)]

    # --- what must hold

    def _check(self) -> None:
        for link in self.links:
            link.check_peer()
        if self.faults:
            raise Fault(self.faults[0])

    def _let_all_be_read(self) -> None:
        """Nothing is in the way any more: what waits has to come to an end, and a turn to cost nothing."""
        for hold in self.holds:
            hold.release()
        for link in self.links:
            link.plans.clear()
            link.ours.read_size, link.ours.send_sizes = None, []
            link.connection.resume_reading()
        for _ in range(_PATIENCE):
            before = [link.wire.sock.incoming[:] for link in self.links], len(self.trace)
            for link in self.links:
                with suppress(OSError):
                    link.take(1 << 18)
                    link.peer.try_put(b"")
            self.settle()
            if before == ([link.wire.sock.incoming[:] for link in self.links], len(self.trace)):
                break
        self._check()
        for link in self.links:
            check_nothing_stuck(link)

    def _end(self) -> None:
        for link in self.links:
            link.connection.abort()
        self.settle()
        self.loop.close()
        self._check()
        for link in self.links:
            link.check_end()
            self.note("peer got", len(link.peer.plain), link.peer.end)
        self._check_all_is_free()

    def _check_all_is_free(self) -> None:
        """Nothing of an ended connection waits for the collector."""
        refs = [ref for link in self.links for ref in link.let_go()]
        self.kept.clear()
        self.holds.clear()
        if ("interrupted",) in self.trace:
            return  # an interrupt goes through frames that know it, as it does anywhere
        if left := [ref() for ref in refs if ref() is not None]:
            raise Fault(f"not freed without the collector: {left}")


def check_nothing_stuck(link: Link) -> None:
    """Nobody pauses and the peer has read all there was."""
    connection, stream = link.connection, link.connection._stream
    if connection.is_reading() and (stream.left or link.ours.incoming):
        raise Fault(f"{len(link.ours.incoming)} bytes and what it was given are stuck in {connection}")
    if not link.over and stream.waiting and connection.is_reading() and not link.peer.end:
        raise Fault(f"{stream.waiting} bytes are stuck that {connection} has to send")


def close(connection: Any, _: BaseException | None, sock: Any) -> None:
    sockets.close(sock, connection.reset)
