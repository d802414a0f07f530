"""Connection against a model: whatever is called in whatever order, bytes are neither lost, repeated nor miscounted.

The other end is a bare socket in memory, so the peer does what the machine says, and nothing else. A failure is shrunk;
its steps, and the line that replays it, are printed.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reactor import ConnectionTimeout, EventLoop, FrameTruncated, Framing, Limits
from reactor.testing import ManualClock, MemorySelector, memory_sockets
from reactor.testing.conformance_stage import FramedWitness, Witness
from reactor.transport import Connection, sockets

CAP = 200
LIMITS = Limits(high_water=40, low_water=10, max_write_buffer=CAP, overflow="drop", write_timeout=50, close_timeout=20)
CALLBACKS = ["data_received", "message_received", "eof_received", "pause_writing", "resume_writing", "connection_lost"]
ACTIONS = ["close", "abort", "write", "pause", "resume", "write_eof", "lower", "hoard"]
SIZES = st.sampled_from([0, 1, 2, 15, 30, 60, 150])


class ConnectionMachine(RuleBasedStateMachine):
    """One connection, its peer, and what must be true of them."""

    @initialize(framed=st.booleans(), keep_open=st.booleans(), capacity=st.sampled_from([1, 10, 50, 1000]))
    def connect(self, framed: bool, keep_open: bool, capacity: int) -> None:
        self.clock = ManualClock()
        self.loop = EventLoop(MemorySelector(), self.clock)
        self.reports: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.reports.append(context))
        self.witness = FramedWitness() if framed else Witness()
        self.witness.keep_open = keep_open
        self.sock, self.peer = memory_sockets(capacity)
        memory: Any = memoryview(bytearray(1024))
        sock: Any = self.sock
        self.transport = Connection(self.loop, sock, self.witness, LIMITS, memory, "peer", self.over)
        self.overs = self.dropped = 0
        self.accepted, self.taken = bytearray(), bytearray()  # what write() took, what the peer has read
        self.streamed, self.unsent, self.messages = bytearray(), bytearray(), 0  # from the peer
        self.count = 0
        self.wrote_eof = self.aborted = self.peer_gone = self.peer_ended = self.waited = False
        self.most = CAP  # bytes that may wait: a write that finds none waiting is taken, whatever its size
        self.transport.start()

    def over(self, _: Connection, __: BaseException | None, sock: Any) -> None:
        self.overs += 1
        sockets.close(sock, self.transport.reset)

    # --- what our side does

    def fresh(self, size: int) -> bytes:
        """Return bytes that tell where in the stream they are."""
        start, self.count = self.count, self.count + size
        return bytes(index % 251 for index in range(start, start + size))

    @rule(size=SIZES)
    def write(self, size: int) -> None:
        self.enqueue([self.fresh(size)], lambda chunks: self.witness.do("write", chunks[0]))

    @rule(sizes=st.lists(SIZES, max_size=4))
    def writelines(self, sizes: list[int]) -> None:
        chunks = [self.fresh(size) for size in sizes]
        self.enqueue(chunks, lambda chunks: self.witness.do("writelines", chunks))

    @precondition(lambda self: isinstance(self.witness, FramedWitness))
    @rule(size=SIZES)
    def send(self, size: int) -> None:
        """Send a message, which may go another way than bytes do."""
        message = bytes([size]) * size
        self.enqueue([Framing().encode(message)], lambda _: self.witness.send(message))  # type: ignore[attr-defined]

    def enqueue(self, chunks: list[bytes], send: Any) -> None:
        data = b"".join(chunks)
        closing, before = self.transport.is_closing(), self.witness.size
        ended = self.wrote_eof and not closing
        self.accepted += data  # before the call: it may call back
        try:
            send(chunks)
        except RuntimeError:
            assert ended, "write() raised without write_eof()"
        else:
            assert not ended or self.peer_gone, "write() after write_eof() did not raise"
            if self.witness.size <= len(data):
                self.most = max(self.most, len(data))
            if self.transport.writes_dropped == self.dropped:  # but for writes from inside this one
                assert not closing
                return
            self.dropped += 1
            assert self.transport.writes_dropped == self.dropped
            found = self.peer_gone and not self.witness.size  # it was the first to send behind the peer's reset
            assert closing or found or (before and before + len(data) > CAP), "dropped although there was room"
        del self.accepted[len(self.accepted) - len(data) :]

    def write_eof(self) -> None:
        if not self.transport.is_closing():
            self.wrote_eof = True
        self.witness.do("write_eof")

    def close(self) -> None:
        self.witness.do("close")
        assert self.transport.is_closing()

    def abort(self) -> None:
        self.aborted = True
        self.witness.do("abort")
        assert self.transport.is_closing()
        assert self.witness.size == 0

    def pause(self) -> None:
        self.witness.do("pause_reading")
        assert not self.transport.is_reading()

    def resume(self) -> None:
        self.witness.do("resume_reading")
        assert self.transport.is_reading() is not self.transport.is_closing()

    @rule(high=st.sampled_from([0, 5, 20, 40, 100]), low=st.sampled_from([0, 5, 20]))
    def set_marks(self, high: int, low: int) -> None:
        self.witness.do("set_write_buffer_limits", max(high, low), min(high, low))

    def lower(self) -> None:
        self.set_marks(0, 0)

    def hoard(self) -> None:
        self.write(CAP)

    @rule(action=st.sampled_from(["pause", "resume", "resume"]))
    def reading(self, action: str) -> None:
        getattr(self, action)()

    @rule(how=st.sampled_from(["write_eof", "close", "abort", "peer_ends", "peer_closes", "peer_resets"]))
    def end(self, how: str) -> None:
        """Begin one of the ends; one rule, so that most runs have a life before it."""
        getattr(self, how)()

    @rule(callback=st.sampled_from(CALLBACKS), action=st.sampled_from(ACTIONS))
    def plan(self, callback: str, action: str) -> None:
        """Do something from inside the next callback of that name."""
        act = self.write if action == "write" else getattr(self, action)
        self.witness.acts[callback] = lambda _: act(30) if action == "write" else act()

    # --- what the peer and the kernel do

    @rule(count=st.integers(1, 120))
    def peer_reads(self, count: int) -> None:
        self.taken += self.peer.incoming[:count]
        del self.peer.incoming[:count]

    @precondition(lambda self: not self.peer_ended)
    @rule(size=st.integers(0, 20), count=st.integers(1, 60))
    def peer_writes(self, size: int, count: int) -> None:
        """Send a part of a stream of frames, or the part that is left of it."""
        self.unsent += Framing().encode(bytes([self.messages % 256]) * size)
        self.messages += 1
        room = self.peer.room()
        if room and not self.sock.closed:
            part = bytes(self.unsent[: min(count, room)])
            self.peer.send(part)
            self.streamed += part
            del self.unsent[: len(part)]

    def peer_ends(self) -> None:
        self.peer_ended = True
        sockets.end_writing(self.peer)  # type: ignore[arg-type]

    def peer_resets(self) -> None:
        self.taken += self.peer.incoming
        self.peer_closes(reset=True)

    def peer_closes(self, reset: bool = False) -> None:
        """Close; what lies unread is lost and makes it a reset, else the next send is taken and then makes one."""
        self.peer_ended = self.peer_gone = True
        sockets.close(self.peer, reset)  # type: ignore[arg-type]

    @rule(sizes=st.lists(st.integers(0, 30), max_size=6))
    def the_kernel_takes_only(self, sizes: list[int]) -> None:
        self.sock.send_sizes = sizes

    @rule(size=st.sampled_from([None, 1, 3, 7]))
    def the_kernel_gives_only(self, size: int | None) -> None:
        self.sock.read_size = size

    @rule(seconds=st.sampled_from([0.1, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.waited = True
        self.clock.advance(seconds)

    @rule()
    def turn(self) -> None:
        self.loop.run_once(0)
        if not self.transport.is_closing():
            paused = self.witness.calls.count("pause_writing") - self.witness.calls.count("resume_writing")
            assert not (paused and self.witness.size == 0), "nothing waits, and it was not told to resume"
        elif self.witness.size == 0:
            assert self.overs == 1, "nothing waits, and the end didn't come in that turn"

    # --- what is always true

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.witness.wrongs == []
        assert self.reports == []
        assert self.witness.calls.count("connection_lost") == self.overs <= 1

    @invariant()
    def what_waits_is_what_has_not_left(self) -> None:
        left = self.taken + self.peer.incoming
        size = self.transport.get_write_buffer_size()
        assert left == self.accepted[: len(left)], "other bytes left than were written"
        assert size <= self.most
        self.most = self.most if size else CAP
        if self.lost():
            assert size == 0
        elif self.peer_gone:
            assert size <= len(self.accepted) - len(left)
        else:
            assert size == len(self.accepted) - len(left)

    @invariant()
    def what_came_is_what_the_peer_sent(self) -> None:
        if isinstance(self.witness, FramedWitness):
            came = Framing().encode_many(self.witness.messages)
        else:
            came = bytes(self.witness.data)
        assert self.streamed.startswith(came)

    @invariant()
    def unpaused_means_little_waits(self) -> None:
        paused = self.witness.calls.count("pause_writing") - self.witness.calls.count("resume_writing")
        if not paused and not self.transport.is_closing():
            assert self.witness.size <= self.transport.get_write_buffer_limits()[1]

    def lost(self) -> bool:
        return "lost" in repr(self.transport)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            try:
                self.come_to_an_end()
            finally:
                self.abort()
                self.loop.run_once(0)
                self.loop.close()

    def come_to_an_end(self) -> None:
        self.witness.acts.clear()
        self.sock.read_size = None
        delivers = not self.transport.is_closing() and not self.peer_gone
        if delivers:
            self.resume()
            for _ in range(30):  # a bounded number of turns brings all that the peer sent
                self.turn()
        if delivers and not self.transport.is_closing():
            self.everything_came()
        self.close()
        turns = 0
        while not self.overs and turns < 4 * self.most:  # the kernel may take one byte a turn
            self.turn()
            self.peer_reads(1000)
            turns += 1
        self.turn()
        self.peer_reads(1000)
        self.nothing_is_wrong()
        self.what_waits_is_what_has_not_left()
        assert self.overs == 1
        self.the_cause_is_right()

    def everything_came(self) -> None:
        if isinstance(self.witness, FramedWitness):
            assert self.witness.messages == Framing().decoder().feed(bytes(self.streamed))
        else:
            assert self.witness.data == self.streamed

    def the_cause_is_right(self) -> None:
        lost = self.witness.lost
        if lost is None:
            if not (self.aborted or self.peer_gone):
                assert self.taken == self.accepted, "a clean end, and not all has arrived"
        elif isinstance(lost, ConnectionTimeout):
            assert self.waited
            assert self.sock.was_reset
        elif isinstance(lost, FrameTruncated):
            assert self.peer_ended
        else:
            assert isinstance(lost, (ConnectionResetError, BrokenPipeError)), repr(lost)
            assert self.peer_gone


TestConnection = ConnectionMachine.TestCase
TestConnection.pytestmark = [pytest.mark.timeout(600)]  # shrinking takes its time, and being cut short tells nothing
TestConnection.settings = settings(max_examples=200, stateful_step_count=50, deadline=None, print_blob=True)
