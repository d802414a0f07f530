"""Caps: one door to what waits to be sent, TLS's own bytes too; and a message that meets an empty buffer passes it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from road.cast import Bytes, Frames, bodies, echo, frame
from road.openssl import CIPHER, key_updates, refused_wishes
from road.peers import SealedPeer
from road.roads import Road, SealedRoad

from reactor import Limits, WriteBufferFull

CAP = 64 * 1024
SMALL = Limits(max_write_buffer=CAP, high_water=32 * 1024, low_water=1024)


# --- what TLS itself writes


def peak_while_it_floods(road: SealedRoad, ours: Any, peer: SealedPeer, flood: list[bytes]) -> int:
    """Let the peer send and never read; return the most bytes that waited for it."""
    peak = 0
    for piece in flood:
        while piece and not ours.ended:
            try:
                taken = peer.try_put(piece)
            except ConnectionError:
                break
            piece = piece[taken:]
            road.settle(2)
            peak = max(peak, ours.transport.get_write_buffer_size())
            if not taken:
                return peak  # nobody reads it any more
    return peak


def test_a_peer_that_asks_for_new_keys_and_never_reads_them_fills_no_buffer(sealed: SealedRoad) -> None:
    ours, cap = Frames(message=echo), 48 * 1024
    peer = sealed.meet(ours, Limits(max_write_buffer=cap, high_water=16 * 1024, low_water=1024), narrow=True)
    assert isinstance(peer, SealedPeer)
    flood = [key_updates(peer, 500) for _ in range(10)]
    assert peak_while_it_floods(sealed, ours, peer, flood) <= cap


def test_a_peer_whose_renegotiations_are_refused_and_never_reads_that_fills_no_buffer(
    sealed: SealedRoad, tmp_path: Path
) -> None:
    sealed.at_most(ssl.TLSVersion.TLSv1_2)
    sealed.client_context.set_ciphers(CIPHER)
    sealed.client_context.keylog_filename = str(tmp_path / "keys")
    ours = Frames(message=echo)
    peer = sealed.meet(ours, SMALL, narrow=True)
    assert isinstance(peer, SealedPeer)
    wishes = list(refused_wishes(peer, tmp_path / "keys", 6_000))
    flood = [b"".join(wishes[at : at + 500]) for at in range(0, len(wishes), 500)]
    assert peak_while_it_floods(sealed, ours, peer, flood) <= CAP


def test_small_writes_share_records(sealed: SealedRoad) -> None:
    ours = Bytes()
    peer = sealed.meet(ours)
    sealed.settle()
    peer.take_all()
    before = peer.wire_bytes
    for _ in range(5_000):
        ours.transport.write(b"x")
    ours.transport.writelines([b"y"] * 5_000)
    assert peer.reads(10_000) == b"x" * 5_000 + b"y" * 5_000
    assert peer.wire_bytes - before < 11_000


@pytest.mark.parametrize("way", ["write", "writelines"])
def test_many_small_chunks_pass_no_cap_under_tls(sealed: SealedRoad, way: str) -> None:
    ours = Bytes()
    peer = sealed.meet(ours, SMALL, narrow=True)
    sealed.clog(ours)
    before = ours.transport.get_write_buffer_size()
    count = CAP - before - 1_000
    if way == "writelines":
        ours.transport.writelines([b"x"] * count)
    else:
        for _ in range(count):
            ours.transport.write(b"x")
    sealed.settle()
    assert not ours.ended
    assert ours.transport.get_write_buffer_size() <= CAP
    sealed.until(lambda: peer.take_all().count(b"x") == count)


@pytest.mark.parametrize("way", ["write", "writelines"])
def test_what_waits_for_a_handshake_is_bounded_before_and_behind_it(
    plain: Road, contexts: Callable[[], tuple[ssl.SSLContext, ssl.SSLContext]], way: str
) -> None:
    server, client = contexts()
    ours, count = Bytes(), 5_000
    bare = plain.meet(ours, SMALL, narrow=True)
    ours.transport.start_tls(server, server_side=True)
    peer = SealedPeer(bare.wire, plain.until, client, server_side=False)
    if way == "writelines":
        ours.transport.writelines([b"x"] * count)
    else:
        for _ in range(count):
            ours.transport.write(b"x")
    assert ours.transport.get_write_buffer_size() <= CAP
    peer.put(peer.last_flight())
    most, got = 0, b""
    while len(got) < count and not ours.ended:
        plain.reactor.run_once(0.005)
        most = max(most, ours.transport.get_write_buffer_size())
        peer.take(4096)
        got = bytes(peer.plain)
    assert got == b"x" * count
    assert most <= CAP
    assert peer.wire_bytes < count * 1.2


# --- one message that is larger than the cap


BIG = bytes(256 * 1024)


def by_send(ours: Any, body: bytes) -> None:
    ours.send(body)


def by_send_many(ours: Any, body: bytes) -> None:
    ours.send_many([body])


def by_write(ours: Any, body: bytes) -> None:
    ours.transport.write(frame(body))


def by_writelines(ours: Any, body: bytes) -> None:
    ours.transport.writelines([frame(body)[:4], body])


WAYS = pytest.mark.parametrize("way", [by_send, by_send_many, by_write, by_writelines])
Way = Callable[[Any, bytes], None]


@WAYS
@pytest.mark.parametrize("overflow", ["abort", "raise", "drop"])
def test_a_message_larger_than_the_cap_is_taken_when_nothing_waits(road: Road, way: Way, overflow: Any) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(max_write_buffer=CAP, overflow=overflow), narrow=True)
    for count in (1, 2):
        way(ours, BIG)
        road.settle(2)
        assert bodies(peer.reads(count * (len(BIG) + 4))) == [BIG] * count
        road.until(lambda: not ours.transport.get_write_buffer_size())
    assert ours.transport.writes_dropped == 0
    assert not ours.ended


@WAYS
@pytest.mark.parametrize("overflow", ["abort", "raise", "drop"])
def test_the_cap_holds_for_what_comes_behind_a_message_larger_than_it(road: Road, way: Way, overflow: Any) -> None:
    ours = Frames()
    peer = road.meet(ours, Limits(max_write_buffer=CAP, overflow=overflow), narrow=True)
    way(ours, BIG)
    road.settle()
    if overflow == "raise":
        with pytest.raises(WriteBufferFull):
            way(ours, b"one more")
    else:
        way(ours, b"one more")
    road.settle()
    if overflow == "abort":
        assert isinstance(ours.lost, WriteBufferFull)
        return
    assert bodies(peer.reads(len(BIG) + 4)) == [BIG]
    road.until(lambda: not ours.transport.get_write_buffer_size())
    way(ours, b"again")
    road.until(lambda: bodies(peer.take_all()) == [BIG, b"again"])


def test_a_message_larger_than_the_cap_is_taken_while_its_turn_has_sent_others(road: Road) -> None:
    """What waits only for the end of the turn is no reason to end a connection whose peer takes everything."""
    ours = Frames(message=lambda self, message: (self.send(b"small"), self.send(BIG)))
    peer = road.meet(ours, Limits(max_write_buffer=CAP))
    peer.send(frame(b"x"))
    road.until(lambda: len(peer.take_all()) >= len(BIG) + 13 or ours.ended)
    assert bodies(peer.plain) == [b"small", BIG]
