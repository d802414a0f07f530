"""What a datagram transport promises its protocol, in numbered sentences that are checked.

A maker connects two protocols, tells each in `to` where the other is (None where its socket is connected to it), and
yields the loop that runs both:

    @contextmanager
    def over_udp(one, other, limits):
        with Reactor() as net:
            bound = net.bind_udp(lambda: other, "127.0.0.1", 0, limits=limits)
            net.connect_udp(lambda: one, *bound.get_extra_info("sockname"), limits=limits)
            other.to = one.transport.get_extra_info("sockname")
            yield net

    check_datagrams(over_udp)

Between the two nothing is lost that the receiver's system has room for. The loop has a real clock.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..transport import Limits
from .conformance_meeting import DatagramMaker, DatagramPromise, DatagramWitness, Meeting, found, promise
from .conformance_stage import raises, why

LARGE = bytes(range(256)) * 120  # 30 KiB: more than a page and a packet, less than any system's largest
_TOO_LARGE = bytes(8 << 20)


# --- coming


@promise(101)
def made_first(meeting: Meeting) -> None:
    """connection_made comes once and first, never from inside the call that makes the transport."""
    one, other = DatagramWitness(), DatagramWitness()
    meeting.begin(one, other)
    assert not one.calls + other.calls, "connection_made came before the transport was returned"
    meeting.until(lambda: one.calls and other.calls, "connection_made on both sides")
    meeting.settle()
    assert one.calls == other.calls == ["connection_made"]


@promise(102)
def whole(meeting: Meeting) -> None:
    """Datagrams arrive whole, none joined and none cut, whatever their size, an empty one too."""
    one, other = meeting.pair()
    wanted = [b"a", b"", b"bc", LARGE, b"", b"d"]
    one.send(*wanted)
    meeting.came(other, len(wanted))
    assert other.came == wanted


@promise(103)
def early(meeting: Meeting) -> None:
    """What is sent before connection_made leaves; what came before it is delivered behind it."""
    one, other = DatagramWitness(), DatagramWitness()
    meeting.begin(one, other)
    one.send(b"early")
    meeting.came(other, 1)
    assert other.calls[:2] == ["connection_made", "datagram_received"]


@promise(104)
def answered(meeting: Meeting) -> None:
    """sendto() takes for the receiver what datagram_received was given as the sender."""

    def answer(self: DatagramWitness) -> None:
        self.transport.sendto(b"pong", None if self.to is None else self.sender)

    one, other = meeting.pair(datagram_received=answer)
    one.send(b"ping")
    meeting.came(one, 1)
    assert (one.came, other.came) == ([b"pong"], [b"ping"])


@promise(105)
def in_order(meeting: Meeting) -> None:
    """The datagrams of one turn arrive in the order of the calls, both ways."""
    one, other = meeting.pair()
    wanted = [b"%d" % number for number in range(100)]
    one.send(*wanted)
    other.send(*wanted)
    meeting.came(one, 100)
    meeting.came(other, 100)
    assert one.came == other.came == wanted


@promise(106)
def unchanged(meeting: Meeting) -> None:
    """A bytearray may be changed as soon as sendto() has returned."""
    one, other = meeting.pair()
    data = bytearray(b"first")
    one.send(data)
    data[:] = b"other"
    one.send(memoryview(data))
    meeting.came(other, 2)
    assert other.came == [b"first", b"other"]


@promise(107)
def refused_at_once(meeting: Meeting) -> None:
    """What isn't bytes-like is a TypeError at once, and sends nothing."""
    one, other = meeting.pair()
    for wrong in ("text", None, 5):
        raises(TypeError, one.transport.sendto, wrong, one.to)
    one.send(b"right")
    meeting.came(other, 1)
    assert other.came == [b"right"]


@promise(108)
def handed_over(meeting: Meeting) -> None:
    """set_protocol() gives all that follows to another protocol, which get_protocol() returns."""
    one, other = meeting.pair()
    heir = DatagramWitness()
    heir.calls.append("connection_made")
    one.send(b"first")
    meeting.came(other, 1)
    other.do("set_protocol", heir)
    assert other.transport.get_protocol() is heir
    one.send(b"second")
    meeting.came(heir, 1)
    assert (other.came, heir.came) == ([b"first"], [b"second"])
    meeting._cast[1] = heir


# --- what becomes of a datagram


@promise(111)
def too_large(meeting: Meeting) -> None:
    """A datagram that is too large is told to error_received, never from inside sendto(), and the others go on."""
    one, other = meeting.pair()
    one.send(b"before", _TOO_LARGE, b"behind")
    meeting.came(other, 2)
    meeting.until(lambda: one.errors, "error_received")
    assert isinstance(one.errors[0], OSError)
    assert str(len(_TOO_LARGE)) in str(one.errors[0]), "the error doesn't name the size"
    assert (other.came, len(one.errors)) == ([b"before", b"behind"], 1)


@promise(112)
def peer_gone(meeting: Meeting) -> None:
    """A receiver that is gone is told to error_received, if at all, and closes nothing."""
    one, other = meeting.pair()
    other.do("close")
    meeting.ended(other)
    for _ in range(3):
        one.send(b"anybody?")
        meeting.settle()
    assert not one.transport.is_closing()
    assert one.to is not None or one.errors, "a connected socket was refused, and nobody was told"
    assert all(isinstance(each, OSError) for each in one.errors)


@promise(113)
def counted(meeting: Meeting) -> None:
    """No more than max_write_buffer waits; what finds no room is dropped whole, and each one counted."""
    one, _ = meeting.pair(Limits(max_write_buffer=20_000))
    if not meeting.clog(one):
        return
    before = one.dropped, one.transport.traffic()[3]
    for _ in range(100):
        one.send(bytes(2000))
        assert one.waiting <= 20_000
    kept = one.waiting // 2000 - 1
    sent = one.transport.traffic()[3] - before[1]
    assert 100 - kept - sent <= one.dropped - before[0] <= 101 - kept - sent
    assert not one.transport.is_closing()


@promise(114)
def small_ones_count(meeting: Meeting) -> None:
    """A small or empty datagram that waits counts 128 bytes, so that many of them find the end of the room, too."""
    one, _ = meeting.pair(Limits(max_write_buffer=20_000))
    if meeting.clog(one):
        one.send(*[b""] * 1000)
        assert one.dropped > 0
        assert one.waiting <= 20_000


@promise(115)
def paused(meeting: Meeting) -> None:
    """pause_writing comes from inside sendto() when more than the high mark waits, resume_writing at the low mark."""
    one, other = meeting.pair(Limits(high_water=4000, low_water=1000))
    if meeting.clog(one):
        one.send(*[bytes(1000)] * 10)
        assert one.calls.count("pause_writing") == 1
        meeting.until(lambda: "resume_writing" in one.calls and not one.waiting, "resume_writing")
        assert one.calls.count("resume_writing") == 1
        assert other.came, "nothing came"


@promise(116)
def waits_its_turn(meeting: Meeting) -> None:
    """What found no room leaves when there is some, in order."""
    one, other = meeting.pair()
    if meeting.clog(one):
        wanted = [b"%d" % number for number in range(50)]
        one.send(*wanted)
        meeting.until(lambda: other.came[-50:] == wanted, "what waited")
        assert not one.waiting


# --- ends


@promise(121)
def closes(meeting: Meeting) -> None:
    """close() sends what waits, then connection_lost(None) comes, later and once; it may be called twice."""
    one, other = meeting.pair()
    one.send(b"last")
    one.do("close")
    one.do("close")
    assert one.transport.is_closing()
    meeting.ended(one)
    meeting.came(other, 1)
    assert one.lost is None


@promise(122)
def closes_when_sent(meeting: Meeting) -> None:
    """What finds no room at close() is sent when there is some, and then that is the end."""
    one, other = meeting.pair()
    if meeting.clog(one):
        one.send(b"last")
        one.do("close")
        meeting.ended(one)
        meeting.until(lambda: other.came[-1:] == [b"last"], "the last datagram")
        assert one.lost is None


@promise(123)
def aborts(meeting: Meeting) -> None:
    """abort() drops what waits, also after close() and twice; connection_lost(None) comes later."""
    one, other = meeting.pair()
    one.send(b"dropped")
    for end in ("close", "abort", "abort"):
        one.do(end)
    meeting.ended(one)
    meeting.settle()
    assert (one.lost, other.came) == (None, [])


@promise(124)
def deaf_at_the_end(meeting: Meeting) -> None:
    """After close() and abort() nothing is delivered, whatever has come."""
    for end in (DatagramWitness.close, DatagramWitness.abort):
        with meeting.another() as each:
            one, other = each.pair(datagram_received=end)
            one.send(*[b"x"] * 10)
            each.ended(other)
            assert len(other.came) == 1


@promise(125)
def late(meeting: Meeting) -> None:
    """After the end sendto() drops and counts, and raises nothing."""
    one, other = meeting.pair()
    one.do("abort")
    one.send(b"late")
    meeting.ended(one)
    dropped = one.dropped
    one.send(b"later", b"latest")
    meeting.settle()
    assert (other.came, one.dropped - dropped) == ([], 2)


@promise(126)
def raising(meeting: Meeting) -> None:
    """An exception in a callback is reported once, ends this transport only, and is what connection_lost is given."""

    def fail(self: Any) -> None:
        raise LookupError

    for callback in ("connection_made", "datagram_received"):
        with meeting.another() as each:
            one, other = DatagramWitness(), DatagramWitness(**{callback: fail})
            each.begin(one, other)
            one.send(b"x", b"y")
            each.ended(other)
            assert [type(report) for report in each.take_reports()] == [LookupError]
            assert isinstance(other.lost, LookupError)
            assert not one.transport.is_closing()


@promise(127)
def interrupted(meeting: Meeting) -> None:
    """KeyboardInterrupt and SystemExit in a callback leave the loop; nothing is lost when it goes on."""

    def fail(self: Any) -> None:
        raise kind

    for kind in (KeyboardInterrupt, SystemExit):
        with meeting.another() as each:
            one, other = each.pair(datagram_received=fail)
            wanted = [b"%d" % number for number in range(20)]
            one.send(*wanted)
            raises(kind, each.came, other, 20)
            each.came(other, 20)
            assert other.came == wanted


@promise(128)
def inside_callbacks(meeting: Meeting) -> None:
    """close(), abort() and sendto() from inside every callback: nothing is raised, connection_lost comes once."""
    for callback in ("connection_made", "datagram_received", "error_received", "connection_lost"):
        for method, args in (("close", ()), ("abort", ()), ("sendto", (b"inside",))):
            with meeting.another() as each:
                _act_inside(each, callback, method, args)


def _act_inside(meeting: Meeting, callback: str, method: str, args: tuple[bytes, ...]) -> None:
    """Provoke every callback of one who calls a method in the first of one kind."""

    def act(self: Any) -> None:
        getattr(self.transport, method)(*args, *([self.to] if args else []))

    one, other = DatagramWitness(**{callback: act}), DatagramWitness()
    meeting.begin(one, other)
    other.send(b"x")
    meeting.until(lambda: one.calls, "connection_made")
    one.send(_TOO_LARGE)
    meeting.settle()
    one.do("abort")
    meeting.ended(one)


@promise(129)
def stopped(meeting: Meeting) -> None:
    """stop() from inside datagram_received lets run() return when the turn is over; the next run goes on."""
    one, other = meeting.pair()
    other.acts["datagram_received"] = lambda self: meeting.loop.stop()
    one.send(b"x", b"y")
    meeting.run()
    meeting.came(other, 2)


@promise(131)
def told(meeting: Meeting) -> None:
    """get_extra_info() tells "socket" and "sockname", and the default for what it doesn't know."""
    one, _ = meeting.pair()
    info = one.transport.get_extra_info
    assert info("sockname") is not None
    assert info("socket") is not None
    assert info("nothing", 5) == 5


PROMISES: dict[int, DatagramPromise] = {each.number: each for each in found}


def check_datagrams(maker: DatagramMaker, only: Collection[int] | None = None) -> None:
    """Check every promise, or those numbered in `only`. Raises AssertionError with the number and the sentence."""
    for number in PROMISES if only is None else only:
        _, sentence, check = PROMISES[number]
        try:
            with Meeting(maker) as meeting:
                check(meeting)
        except Exception as exc:
            raise AssertionError(f"promise {number} is broken: {sentence} {why(exc)}") from exc


__all__ = ["PROMISES", "DatagramMaker", "check_datagrams"]
