"""Waits: each runs only against somebody who could have acted, and is judged behind all that has come already."""

from __future__ import annotations

from typing import Any

import pytest
from road.cast import Buffered, Bytes, Frames, bodies, echo, frame
from road.peers import Peer
from road.roads import Road

from reactor import ConnectionTimeout, Drained, Framing, Limits

CROWD = 40  # more than one look takes


def crowd(door: Road, limits: Limits, *, narrow: bool = False, **acts: Any) -> tuple[list[Frames], list[Peer]]:
    """Many peers who come to one server, with the protocols that they met."""
    ours: list[Frames] = []
    server = door.listen(lambda: ours.append(Frames(**acts)) or ours[-1], limits)  # type: ignore[func-returns-value]
    peers = [door.dial(server, narrow) for _ in range(CROWD)]
    for peer in peers:
        peer.shake()
    door.until(lambda: len(ours) == CROWD and all(each.made for each in ours))
    door.settle()
    if narrow:
        for each in ours:
            door.narrow(each)
    return ours, peers


# --- a loop that stood still: what came in time is looked at first


def test_peers_that_sent_in_time_are_not_idle_though_the_loop_stood_still(door: Road) -> None:
    ours, peers = crowd(door, Limits(idle_timeout=1), message=echo)
    for peer in peers:
        peer.try_put(peer.sealed(frame(b"in time")))
    door.clock.advance(2)
    door.until(lambda: all(each.messages or each.ended for each in ours))
    assert [each.messages for each in ours] == [[b"in time"]] * CROWD
    assert not any(each.ended for each in ours)


def test_peers_that_completed_a_frame_in_time_are_not_late_though_the_loop_stood_still(door: Road) -> None:
    ours, peers = crowd(door, Limits(frame_timeout=1))
    for peer in peers:
        peer.send(frame(b"whole")[:6])
    door.settle()
    for peer in peers:
        peer.try_put(peer.sealed(frame(b"whole")[6:]))
    door.clock.advance(2)
    door.until(lambda: all(each.messages or each.ended for each in ours))
    assert [each.messages for each in ours] == [[b"whole"]] * CROWD


def test_a_frame_that_lies_in_the_kernel_is_read_to_its_end_before_it_is_late(road: Road) -> None:
    ours, size = Frames(), 300 * 1024  # more than one read takes
    peer = road.meet(ours, Limits(frame_timeout=1))
    road.widen(ours, peer)
    peer.send(frame(bytes(size))[:4])
    road.settle()
    sealed = peer.sealed(bytes(size))
    assert peer.try_put(sealed) == len(sealed)
    road.clock.advance(2)
    road.until(lambda: ours.messages or ours.ended)
    assert ours.messages == [bytes(size)]


def test_peers_that_took_bytes_in_time_are_not_stuck_though_the_loop_stood_still(door: Road) -> None:
    ours, peers = crowd(door, Limits(write_timeout=1, max_write_buffer=None), narrow=True)
    sizes = [door.clog(each) for each in ours]
    for peer in peers:
        peer.take_all()
    door.clock.advance(2)
    for peer, size in zip(peers, sizes, strict=True):
        peer.reads(size)
    door.settle()
    assert not any(each.ended for each in ours)


def test_peers_that_took_bytes_in_time_get_the_rest_though_the_loop_stood_still_while_closing(door: Road) -> None:
    ours, peers = crowd(door, Limits(close_timeout=1, max_write_buffer=None), narrow=True)
    sizes = [door.clog(each) for each in ours]
    for each in ours:
        each.transport.close()
    for peer in peers:
        peer.take_all()
    door.clock.advance(2)
    for peer, size in zip(peers, sizes, strict=True):
        assert len(peer.reads_to_the_end()) == size
    door.until(lambda: all(each.ended for each in ours))
    assert [each.lost for each in ours] == [None] * CROWD


def test_handshakes_that_were_completed_in_time_stand_though_the_loop_stood_still(sealed: Any) -> None:
    ours: list[Frames] = []
    server = sealed.listen(lambda: ours.append(Frames()) or ours[-1], Limits(handshake_timeout=1))
    peers = [sealed.dial(server) for _ in range(CROWD)]
    for last, peer in [(peer.last_flight(), peer) for peer in peers]:
        peer.try_put(last)
    sealed.clock.advance(2)
    sealed.until(lambda: sum(each.made for each in ours) + sealed.reactor.stats()["handshake_failures"] == CROWD)
    assert [each.made for each in ours] == [True] * CROWD


def test_connections_that_were_accepted_in_time_are_made_though_the_loop_stood_still(door: Road) -> None:
    ours, failures = [Frames() for _ in range(2 * CROWD)], list[BaseException]()
    listening = door.listening()
    for each in ours:
        door.connect(lambda each=each: each, listening, limits=Limits(connect_timeout=1), on_failure=failures.append)
    door.settle(1)
    door.clock.advance(2)
    if door.sealed:
        came: list[Peer] = []
        door.until(lambda: came.extend(whoever_came(door, listening)) or len(came) == len(ours) or failures)
        for peer in came:
            peer.shake()
    door.until(lambda: all(each.made for each in ours) or failures)
    assert failures == []
    assert all(each.made for each in ours)


def test_a_start_that_takes_long_leaves_a_connection_its_time(door: Road) -> None:
    ours, failures = Bytes(), list[BaseException]()
    listening = door.listening()
    door.connect(lambda: ours, listening, limits=Limits(connect_timeout=1), on_failure=failures.append)
    door.clock.advance(2)  # before the loop made its first turn
    if door.sealed:
        came: list[Peer] = []
        door.until(lambda: came.extend(whoever_came(door, listening)) or came or failures)
        for peer in came:
            peer.shake()
    door.until(lambda: ours.made or failures)
    assert failures == []


def whoever_came(door: Road, listening: Any) -> list[Peer]:
    try:
        return [door.accepted(listening)]
    except BlockingIOError:
        return []


# --- a timeout that is shorter than the rest of the turn


def test_an_answer_leaves_before_a_close_without_patience_gives_up(road: Road) -> None:
    def answer_and_close(self: Frames, message: bytes) -> None:
        self.send(b"answer")
        self.transport.close(timeout=0)

    ours = Frames(message=answer_and_close)
    peer = road.meet(ours)
    peer.send(frame(b"question"))
    assert bodies(peer.reads_to_the_end()) == [b"answer"]
    assert peer.end == "eof"
    road.until(lambda: ours.ended)
    assert ours.lost is None


def test_a_drain_without_grace_closes_idle_connections_in_good_order(door: Road) -> None:
    ours, peers = crowd(door, Limits())
    done: list[Drained] = []
    door.servers[0].drain(0, done.append)
    for peer in peers:
        peer.reads_to_the_end()
    door.until(lambda: done)
    assert [peer.end for peer in peers] == ["eof"] * CROWD
    assert done == [Drained(closed=CROWD, aborted=0)]
    assert [each.lost for each in ours] == [None] * CROWD


# --- closing is bounded by progress


def test_a_peer_that_goes_on_taking_gets_all_however_long_it_takes(road: Road) -> None:
    size, ours = 1 << 20, Frames()
    peer = road.meet(ours, Limits(close_timeout=3), narrow=True)
    ours.send(bytes(size))
    ours.transport.close()
    began = road.clock.now
    assert len(road.reads_slowly(peer)) == size + 4
    assert peer.end == "eof"
    assert road.clock.now - began > 30
    road.until(lambda: ours.ended)
    assert ours.lost is None


def test_a_peer_that_takes_nothing_holds_a_close_for_close_timeout_from_its_last_progress(road: Road) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(close_timeout=3), narrow=True)
    ours.send(bytes(1 << 20))
    ours.transport.close()
    road.settle()
    road.clock.advance(2)
    road.settle()
    peer.take_all()
    road.settle()
    road.clock.advance(2)
    road.settle()
    assert not ours.ended, "it took something 2 s ago"
    road.clock.advance(1)
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    assert "close_timeout" in str(ours.lost)


# --- idle, reading, and who is slow


def test_an_idle_end_with_nothing_waiting_is_an_end_in_good_order(road: Road) -> None:
    ours = Frames(message=echo)
    peer = road.meet(ours, Limits(idle_timeout=5))
    peer.send(frame(b"hello"))
    peer.reads(9)
    road.clock.advance(5)
    peer.reads_to_the_end()
    assert peer.end == "eof"
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    assert "idle_timeout" in str(ours.lost)


def test_a_peer_that_isnt_read_is_not_idle(road: Road) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(idle_timeout=5, read_timeout=5))
    ours.transport.pause_reading()
    for _ in range(4):
        peer.send(frame(b"here"))
        road.clock.advance(4)
        road.settle(3)
    ours.transport.resume_reading()
    road.until(lambda: len(ours.messages) == 4 or ours.ended)
    assert ours.messages == [b"here"] * 4
    road.clock.advance(4)
    road.settle()
    assert not ours.ended
    road.clock.advance(1)
    road.until(lambda: ours.ended)
    assert "_timeout" in str(ours.lost)


def test_a_peer_that_says_nothing_meets_the_read_timeout_whatever_we_send(road: Road) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(idle_timeout=3, read_timeout=5))
    for _ in range(5):
        assert not ours.ended
        ours.send(b"are you there?")
        road.settle(3)
        peer.take_all()
        road.clock.advance(1)
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    assert "read_timeout" in str(ours.lost)
    assert bodies(peer.plain) == [b"are you there?"] * 5


def test_a_peer_that_says_something_now_and_then_meets_no_read_timeout(road: Road) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(read_timeout=5))
    for _ in range(5):
        road.clock.advance(4)
        peer.send(frame(b"here"))
        road.settle()
    assert ours.messages == [b"here"] * 5
    assert not ours.ended


@pytest.mark.parametrize("bad", [0, -1, "5", True])
def test_a_read_timeout_is_judged_as_every_other_limit(bad: Any) -> None:
    with pytest.raises(ValueError, match="read_timeout"):
        Limits(read_timeout=bad)


@pytest.mark.parametrize("bad", [0, -1, "5", True, [5]])
def test_one_that_is_set_is_judged_alike_and_changes_nothing_if_it_is_wrong(road: Road, bad: Any) -> None:
    ours = Frames()
    road.meet(ours, Limits(read_timeout=5))
    with pytest.raises(ValueError, match="read_timeout is"):
        ours.transport.set_read_timeout(bad)
    road.clock.advance(5)
    road.until(lambda: ours.ended)
    assert "for 5 s, which is read_timeout" in str(ours.lost)


@pytest.mark.parametrize("before", [None, 1, 60])
def test_a_read_timeout_may_be_agreed_on_a_connection(road: Road, before: float | None) -> None:
    def agree(self: Frames, message: bytes) -> None:
        self.transport.set_read_timeout(int(message))

    ours, others = Frames(message=agree), Frames()
    limits = Limits(read_timeout=before)
    peer, _ = road.meet(ours, limits), road.meet(others, Limits())
    peer.send(frame(b"10"))
    road.until(lambda: ours.messages)
    road.clock.advance(9)
    peer.send(frame(b"15"))
    road.until(lambda: len(ours.messages) == 2)
    road.clock.advance(14)
    road.settle()
    assert not ours.ended
    road.clock.advance(1)
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    assert str(ours.lost) == "no byte came from the peer for 15 s, which is read_timeout"
    assert limits.read_timeout == before
    assert not others.ended
    assert road.reactor.stats()["timeouts_read"] == 1


def test_a_read_timeout_that_is_taken_back_bounds_nothing(road: Road) -> None:
    ours = Frames(made=lambda self: self.transport.set_read_timeout(None))
    peer = road.meet(ours, Limits(read_timeout=5, first_message_timeout=None))
    for _ in range(3):
        road.clock.advance(60)
        road.settle()
    peer.send(frame(b"still here"))
    road.until(lambda: ours.messages)
    road.clock.advance(60)
    road.settle()
    assert not ours.ended


def test_a_read_timeout_that_is_set_when_all_is_over_changes_nothing(road: Road) -> None:
    ours = Frames(lost=lambda self, exc: self.transport.set_read_timeout(1))
    road.meet(ours)
    ours.transport.close()
    ours.transport.set_read_timeout(1)
    road.until(lambda: ours.ended)
    assert ours.lost is None
    road.clock.advance(2)
    road.settle()
    assert road.reactor.stats()["timeouts_read"] == 0


@pytest.mark.parametrize("late", [lambda transport: transport.set_read_timeout(5), lambda transport: None])
def test_who_has_ended_its_side_is_waited_for_no_more(plain: Road, late: Any) -> None:
    """Neither by a wait that is agreed then, nor by reading that is paused and gone on with."""
    ours = Frames(eof=lambda self: True)
    peer = plain.meet(ours, Limits(read_timeout=5))
    peer.finish()
    plain.until(lambda: "eof" in ours.calls)
    late(ours.transport)
    ours.transport.pause_reading()
    ours.transport.resume_reading()
    plain.settle()
    plain.clock.advance(60)
    plain.settle()
    assert not ours.ended


def test_a_peer_that_trickles_meets_the_frame_timeout(road: Road) -> None:
    """Under TLS what trickles is one record, of which nothing can be delivered before its last byte."""
    ours = Frames()
    peer = road.meet(ours, Limits(idle_timeout=5, frame_timeout=20))
    road.settle()
    message = peer.sealed(frame(bytes(64)))
    for at in range(20):
        assert not ours.ended
        peer.put(message[at : at + 1])
        road.settle(3)
        road.clock.advance(1)
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    plain = "16 of 64 bytes of the body came after header 00 00 00 40"
    came = "part of a TLS record came" if road.name == "tls" else plain
    assert f"which is frame_timeout: {came}" in str(ours.lost)


def test_a_frame_that_is_late_is_told_by_its_header_and_how_far_it_came(road: Road) -> None:
    ours = Frames(Framing(2, "little"))
    peer = road.meet(ours, Limits(frame_timeout=20))
    peer.send(Framing(2).encode(b"twelve bytes") * 3)
    road.settle()
    road.clock.advance(21)
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    assert str(ours.lost) == (
        "a frame was begun and not completed for 20 s, which is frame_timeout: "
        "40 of 3072 bytes of the body came after header 00 0c '..' at stream offset 0"
    )


def test_a_message_whose_time_is_not_over_is_received_though_it_trickles(road: Road) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(idle_timeout=5, frame_timeout=20))
    for _ in range(2):
        message = peer.sealed(frame(b"ten bytes."))
        for at in range(len(message)):
            peer.put(message[at : at + 1])
            road.settle(2)
            road.clock.advance(0.25)
    assert ours.messages == [b"ten bytes."] * 2
    road.clock.advance(3)
    road.settle()
    assert not ours.ended


@pytest.mark.parametrize("kind", [Frames, Bytes])
def test_nobody_waits_for_what_came_in_two_halves_and_is_whole(road: Road, kind: type[Any]) -> None:
    """A frame, or under TLS a record."""
    ours = kind()
    peer = road.meet(ours, Limits(frame_timeout=5))
    message = peer.sealed(frame(b"whole"))
    for half in (message[:4], message[4:]):
        peer.put(half)
        road.settle()
    road.clock.advance(60)
    road.settle()
    assert not ours.ended


# --- who comes and says nothing


KINDS = [Frames, Bytes, Buffered]


@pytest.mark.parametrize("kind", KINDS)
def test_who_comes_and_says_nothing_is_ended_in_good_order_by_default(door: Road, kind: type[Any]) -> None:
    ours, limit = kind(), Limits().first_message_timeout
    assert limit is not None
    peer = door.meet(ours)
    door.clock.advance(limit - 1)
    door.settle()
    assert not ours.ended
    door.clock.advance(1)
    peer.reads_to_the_end()
    assert peer.end == "eof"
    door.until(lambda: ours.ended)
    assert isinstance(ours.lost, ConnectionTimeout)
    what = "whole message" if kind is Frames else "byte"
    assert str(ours.lost) == f"no {what} came from the peer in its first 60 s, which is first_message_timeout"
    assert door.reactor.stats()["timeouts_first_message"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_who_has_said_something_once_may_be_silent(door: Road, kind: type[Any]) -> None:
    ours = kind()
    peer = door.meet(ours, Limits(first_message_timeout=5))
    door.clock.advance(4)
    peer.send(frame(b"hello"))
    door.settle()
    door.clock.advance(600)
    door.settle()
    assert not ours.ended
    assert door.reactor.stats()["timers"] == 0


def test_a_message_that_is_not_whole_is_none_and_is_told_how_far_it_came(door: Road) -> None:
    ours = Frames()
    peer = door.meet(ours, Limits(first_message_timeout=5, frame_timeout=None))
    for at in range(5):
        peer.send(frame(b"slowly")[at : at + 1])
        door.settle()
        assert not ours.ended
        door.clock.advance(1)
    door.until(lambda: ours.ended)
    assert "which is first_message_timeout: 1 of 6 bytes of the body came" in str(ours.lost)


def test_what_we_send_says_nothing_for_the_peer(door: Road) -> None:
    ours = Frames(made=lambda self: self.send(b"who are you?"))
    peer = door.meet(ours, Limits(first_message_timeout=5))
    door.settle()
    door.clock.advance(5)
    assert bodies(peer.reads_to_the_end()) == [b"who are you?"]
    door.until(lambda: ours.ended)
    assert "first_message_timeout" in str(ours.lost)


def test_peers_that_said_something_in_time_stay_though_the_loop_stood_still(door: Road) -> None:
    ours, peers = crowd(door, Limits(first_message_timeout=1))
    for peer in peers:
        peer.try_put(peer.sealed(frame(b"in time")))
    door.clock.advance(2)
    door.until(lambda: all(each.messages or each.ended for each in ours))
    assert not any(each.ended for each in ours)


def test_a_peer_that_we_do_not_read_is_not_silent(door: Road) -> None:
    ours = Frames(made=lambda self: self.transport.pause_reading())
    peer = door.meet(ours, Limits(first_message_timeout=5))
    peer.send(frame(b"here"))
    for _ in range(4):
        door.settle()
        door.clock.advance(5)
    door.settle()
    assert not ours.ended
    ours.transport.resume_reading()
    door.until(lambda: ours.messages)
    door.clock.advance(60)
    door.settle()
    assert not ours.ended


def test_a_peer_that_we_do_not_read_and_that_is_silent_is_ended(plain: Road) -> None:
    """Under TLS nobody knows, until it is read what came behind the handshake."""
    ours = Frames(made=lambda self: self.transport.pause_reading())
    plain.meet(ours, Limits(first_message_timeout=5))
    plain.settle()
    plain.clock.advance(5)
    plain.until(lambda: ours.ended)
    assert "first_message_timeout" in str(ours.lost)


def test_what_was_said_to_an_earlier_protocol_counts(door: Road) -> None:
    first, then = Bytes(), Frames()
    first.acts["data"] = lambda self, data: self.transport.set_protocol(then)
    peer = door.meet(first, Limits(first_message_timeout=5))
    peer.send(b"hello")
    door.until(lambda: first.data)
    door.clock.advance(60)
    door.settle()
    assert not then.ended
    first.transport.close()


def test_each_is_due_when_its_own_time_is_over(door: Road) -> None:
    ours: list[Frames] = []
    server = door.listen(lambda: ours.append(Frames()) or ours[-1], Limits(first_message_timeout=10))  # type: ignore[func-returns-value]
    peers = []
    for count in range(1, 4):
        peers.append(door.dial(server))
        peers[-1].shake()
        door.until(lambda count=count: sum(each.made for each in ours) == count)
        door.clock.advance(3)
    ours[0].transport.abort()
    peers[1].send(frame(b"hello"))
    door.settle()
    for seconds in (1, 3, 2):
        assert not ours[2].ended
        door.clock.advance(seconds)
        door.settle()
    assert not ours[2].ended
    door.clock.advance(1)
    door.until(lambda: ours[2].ended)
    assert [each.ended for each in ours] == [True, False, True]


def test_a_crowd_that_is_silent_is_ended_with_one_timer(door: Road) -> None:
    ours, _ = crowd(door, Limits(first_message_timeout=5, handshake_timeout=None))
    assert door.reactor.stats()["timers"] == 1
    door.clock.advance(5)
    door.until(lambda: all(each.ended for each in ours))
    assert door.reactor.stats()["timeouts_first_message"] == CROWD


def test_a_handshake_is_part_of_the_time(sealed: Any) -> None:
    ours: list[Frames] = []
    server = sealed.listen(lambda: ours.append(Frames()) or ours[-1], Limits(first_message_timeout=5))  # type: ignore[func-returns-value]
    peer = sealed.dial(server)
    sealed.settle()
    sealed.clock.advance(5)
    sealed.until(lambda: not sealed.reactor.stats()["connections"])
    assert not ours[0].made
    assert sealed.reactor.stats()["timeouts_first_message"] == 1
    peer.close()


def test_a_client_may_wait_for_its_server_as_long_as_it_likes(door: Road) -> None:
    ours = Frames()
    door.meet(ours, Limits(first_message_timeout=5), side="client")
    door.clock.advance(60)
    door.settle()
    assert not ours.ended


def test_with_none_everybody_may_be_silent(door: Road) -> None:
    ours = Frames()
    door.meet(ours, Limits(first_message_timeout=None, handshake_timeout=None))
    assert door.reactor.stats()["timers"] == 0
    door.clock.advance(600)
    door.settle()
    assert not ours.ended


def test_who_has_ended_its_side_owes_no_message(plain: Road) -> None:
    ours = Frames(eof=lambda self: True)
    peer = plain.meet(ours, Limits(first_message_timeout=5))
    peer.finish()
    plain.until(lambda: "eof" in ours.calls)
    for _ in range(3):
        plain.clock.advance(5)
        plain.settle()
    assert not ours.ended


@pytest.mark.parametrize("bad", [0, -1, "5", True])
def test_a_first_message_timeout_is_judged_as_every_other_limit(bad: Any) -> None:
    with pytest.raises(ValueError, match="first_message_timeout"):
        Limits(first_message_timeout=bad)


# --- a turn is shared


def test_skipped_frames_leave_turns_to_others(road: Road) -> None:
    ours = Frames(Framing(1, max_frame_length=1, oversize="discard"))
    peer = road.meet(ours)
    peer.send(b"\2xx" * 20_000 + b"\1y")
    most = before = 0
    while not ours.messages:
        road.reactor.run_once(0)
        most, before = max(most, ours.decoder.discarded - before), ours.decoder.discarded
    assert ours.messages == [b"y"]
    assert ours.decoder.discarded == 20_000
    assert most <= 4_096, "so many frames were skipped in one turn"
