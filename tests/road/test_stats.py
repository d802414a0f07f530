"""Stats: what a reactor has counted, over connections that stand and those that are over."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from road.cast import Bytes, Frames, echo, frame
from road.peers import Peer
from road.roads import Road, SealedRoad

from reactor import Framing, Limits, Protocol


def counts(road: Road, *names: str) -> tuple[int, ...]:
    stats = road.reactor.stats()
    return tuple(stats[name] for name in names)


def met(road: Road, limits: Limits | None = None, **acts: Any) -> tuple[Frames, Peer]:
    ours = Frames(**acts)
    return ours, road.meet(ours, limits)


def over(road: Road, ours: Any, peer: Peer) -> None:
    """Let a connection end, and its socket too."""
    ours.transport.close()
    road.until(lambda: ours.ended)
    peer.close()
    road.settle()


# --- traffic


def test_every_count_is_an_int_and_begins_at_nothing(plain: Road) -> None:
    assert set(plain.reactor.stats().values()) == {0}
    assert {type(each) for each in plain.reactor.stats().values()} == {int}


@pytest.mark.parametrize("side", ["server", "client"])
def test_bytes_and_frames_are_counted_both_ways_and_are_not_lost_with_their_connections(door: Road, side: str) -> None:
    ours = Frames(message=echo)
    peer = door.meet(ours, side=side)
    begun = door.reactor.stats()
    for count, text in ((7, b"one"), (14, b"two")):
        peer.send(frame(text))
        peer.reads(count)
    stats = door.reactor.stats()
    assert [stats[name] - begun[name] for name in ("frames_received", "frames_sent")] == [2, 2]
    if not door.sealed:
        assert [stats[name] - begun[name] for name in ("bytes_received", "bytes_sent")] == [14, 14]
    over(door, ours, peer)
    left = door.reactor.stats()
    assert [left[name] for name in ("frames_received", "frames_sent")] == [2, 2]
    assert left["bytes_received"] >= stats["bytes_received"] > 0
    assert left["bytes_sent"] >= stats["bytes_sent"] > 0


def test_the_counts_are_those_of_all_connections(door: Road) -> None:
    pairs = [met(door, message=echo) for _ in range(3)]
    for number, (_, peer) in enumerate(pairs):
        peer.send(frame(b"x") * (number + 1))
    door.until(lambda: [len(ours.messages) for ours, _ in pairs] == [1, 2, 3])
    door.settle()
    assert counts(door, "frames_received", "frames_sent") == (6, 6)
    over(door, *pairs[1])
    assert counts(door, "connections", "frames_received", "frames_sent") == (2, 6, 6)


def test_many_messages_at_once_count_one_by_one(plain: Road) -> None:
    ours, peer = met(plain)
    peer.send(frame(b"x") * 3000)  # more than a turn's
    ours.transport.pause_reading()
    ours.send_many([b"a", b"b", bytes(20_000)])
    plain.settle()
    ours.send(bytes(20_000))
    ours.transport.resume_reading()
    plain.until(lambda: len(ours.messages) == 3000)
    assert counts(plain, "frames_received", "frames_sent") == (3000, 4)


def test_a_large_message_counts_once_and_a_streamed_one_by_its_pieces(plain: Road) -> None:
    ours, peer = met(plain)
    peer.send(frame(bytes(500_000)))
    plain.until(lambda: ours.messages)
    assert counts(plain, "frames_received") == (1,)
    other = Frames(Framing(max_frame_length=10, oversize="stream"))
    second = plain.meet(other)
    for part in (frame(b"in pieces, two of them")[:12], frame(b"in pieces, two of them")[12:]):
        second.send(part)
        plain.settle()
    pieces = other.calls.count("piece")
    assert (pieces, counts(plain, "frames_received")) == (2, (3,))


def test_messages_that_are_taken_as_a_list_and_kept_count_once(plain: Road) -> None:
    class Lists(Frames):
        def messages_received(self, messages: Any) -> None:
            super().messages_received(messages)

    ours = Lists(message=lambda self, _: self.transport.pause_reading())
    peer = plain.meet(ours)
    peer.send(frame(b"x") * 4)
    for count in range(1, 5):
        plain.until(lambda: len(ours.messages) == count)  # noqa: B023
        ours.transport.resume_reading()
    assert counts(plain, "frames_received", "pauses_reading") == (4, 4)


def test_what_is_written_is_no_frame_and_what_is_refused_was_not_sent(plain: Road) -> None:
    ours, _ = met(plain)
    ours.transport.write(frame(b"by hand"))
    with pytest.raises(ValueError, match="max_frame_length"):
        ours.send(bytes(2 << 20))
    ours.transport.close()
    ours.send(b"too late")
    ours.transport.write(b"too late")
    assert counts(plain, "frames_sent", "writes_dropped") == (0, 2)
    plain.until(lambda: ours.ended)
    assert counts(plain, "frames_sent", "writes_dropped") == (0, 2)


def test_raw_bytes_count_as_bytes_alone(door: Road) -> None:
    ours = Bytes()
    peer = door.meet(ours)
    peer.send(b"some")
    door.until(lambda: ours.data == b"some")
    received, frames = counts(door, "bytes_received", "frames_received")
    assert (received >= 4, frames) == (True, 0)


# --- what waits, and who


def test_short_sends_and_pauses_are_counted(plain: Road) -> None:
    ours = Frames()
    peer = plain.meet(ours, Limits(high_water=1024, low_water=0, max_write_buffer=None), narrow=True)
    plain.clog(ours)
    assert counts(plain, "pauses_writing") == (ours.calls.count("pause"),)
    (short,) = counts(plain, "partial_sends")
    assert short >= 1
    plain.until(lambda: peer.take_all() or not ours.transport.get_write_buffer_size())
    ours.transport.pause_reading()
    ours.transport.pause_reading()
    ours.transport.resume_reading()
    ours.transport.pause_reading()
    assert counts(plain, "pauses_reading") == (2,)


def test_a_wait_that_runs_out_is_counted_by_its_name(door: Road) -> None:
    for limits, begin in [
        (Limits(idle_timeout=5), b""),
        (Limits(read_timeout=5), b""),
        (Limits(frame_timeout=5), frame(b"half")[:5]),
    ]:
        ours, peer = met(door, limits)
        peer.send(begin)
        door.settle()
        door.clock.advance(6)
        door.until(lambda: ours.ended)  # noqa: B023
        peer.close()
    assert counts(door, "timeouts_idle", "timeouts_read", "timeouts_frame") == (1, 1, 1)
    assert counts(door, "timeouts_write", "timeouts_close", "timeouts_handshake", "timeouts_connect") == (0,) * 4


def test_peers_that_take_nothing_are_counted_by_their_wait(plain: Road) -> None:
    for closing in (False, True):
        ours = Frames()
        plain.meet(ours, Limits(write_timeout=5, close_timeout=5, max_write_buffer=None), narrow=True)
        plain.clog(ours)
        if closing:
            ours.transport.close()
        plain.clock.advance(6)
        plain.until(lambda: ours.ended)  # noqa: B023
    assert counts(plain, "timeouts_write", "timeouts_close") == (1, 1)


def test_a_handshake_that_takes_too_long_is_counted(sealed: SealedRoad) -> None:
    server = sealed.listen(Frames, Limits(handshake_timeout=5))
    sealed.dial(server)
    sealed.until(lambda: server.connections)
    sealed.clock.advance(6)
    sealed.until(lambda: not server.connections)
    assert counts(sealed, "accepted", "timeouts_handshake", "handshake_failures") == (1, 1, 1)


def test_a_connection_that_does_not_come_about_in_time_is_counted(plain: Road) -> None:
    listening = plain.listening()
    listening.listen(0)
    failures: list[BaseException] = []
    for _ in range(4):  # more than the kernel keeps in its queue, so that the last ones wait
        plain.connect(Protocol, listening, limits=Limits(connect_timeout=5), on_failure=failures.append)
    plain.settle()
    plain.clock.advance(6)
    plain.until(lambda: failures)
    assert counts(plain, "timeouts_connect") == (len(failures),)


def test_who_came_is_counted_and_who_was_refused_by_the_limit_that_did(plain: Road) -> None:
    crowded = plain.listen(Frames, Limits(max_connections=1, when_full="close"))
    narrow = plain.listen(Frames, Limits(max_connections=9, max_per_peer=2))
    for server, dials in ((crowded, 3), (narrow, 5)):
        peers = [plain.dial(server) for _ in range(dials)]
        plain.until(lambda: server.connections + server.refused == dials)  # noqa: B023
        assert len(peers) == dials
    assert counts(plain, "accepted", "refused", "refused_max_connections", "refused_max_per_peer") == (3, 5, 2, 3)
    crowded.close()
    crowded.abort()
    plain.until(lambda: not crowded.connections)
    assert counts(plain, "accepted", "refused", "servers") == (3, 5, 1), "a server that is over takes nothing with it"


# --- the log


def test_a_connection_has_no_line_in_the_log_above_debug(door: Road, caplog: pytest.LogCaptureFixture) -> None:
    server = door.listen(lambda: Frames(message=echo))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            peer = door.dial(server)
            peer.shake()
            peer.send(frame(b"hello"))
            door.until(peer.take_all)
            peer.close()
        door.until(lambda: not server.connections)
    assert caplog.records == []


def test_an_end_that_has_a_cause_has_a_line_at_debug(plain: Road, caplog: pytest.LogCaptureFixture) -> None:
    ours, peer = met(plain, Limits(read_timeout=5))
    with caplog.at_level(logging.DEBUG):
        plain.clock.advance(6)
        plain.until(lambda: ours.ended)
    assert [record.name for record in caplog.records] == ["reactor.transport.core"]
    assert "ends: no byte came from the peer for 5 s, which is read_timeout" in caplog.text
    peer.close()
