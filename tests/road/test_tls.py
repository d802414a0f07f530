"""TLS: what lies inside it is bounded, delivered and ended as everything else is."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from road.cast import Batches, Bytes, Frames, bodies, echo, frame
from road.openssl import BAD_RECORD, fatal_alert, key_updates, renegotiation
from road.peers import Peer, SealedPeer
from road.roads import SealedRoad

from reactor import FrameTruncated, Limits

GOODBYE = bytes.fromhex("15 03 03 00 02 01 00")  # close_notify, in plain text
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SIDES = pytest.mark.parametrize("side", ["server", "client"])
both_versions = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)


# --- in the handshake


@both_versions
@pytest.mark.parametrize("timeout", [10, None])
def test_a_goodbye_inside_the_handshake_is_its_end_for_a_server(
    sealed: SealedRoad, version: ssl.TLSVersion, timeout: float | None
) -> None:
    sealed.at_most(version)
    ours = Bytes()
    peer: Any = sealed.approach(lambda: ours, Limits(handshake_timeout=timeout))
    peer.say_hello()
    peer.put(GOODBYE)
    sealed.until(lambda: not sealed.servers[0].connections)
    assert ours.calls == []
    assert sealed.reactor.stats()["handshake_failures"] == 1


@both_versions
@pytest.mark.parametrize("timeout", [10, None])
def test_a_goodbye_inside_the_handshake_is_its_end_for_a_client(
    sealed: SealedRoad, version: ssl.TLSVersion, timeout: float | None
) -> None:
    sealed.at_most(version)
    ours, failures = Bytes(), list[BaseException]()
    peer = sealed.dialled(lambda: ours, Limits(handshake_timeout=timeout), failures.append)
    peer.put(GOODBYE)
    sealed.until(lambda: failures)
    assert isinstance(failures[0], ssl.SSLError)
    assert ours.calls == []


BEHIND = pytest.mark.parametrize("behind", ["bad record", "fatal alert"])
# where the handshake's end and what comes behind it can come in one read
ONE_READ = pytest.mark.parametrize(
    ("side", "version"),
    [("server", ssl.TLSVersion.TLSv1_3), ("client", ssl.TLSVersion.TLSv1_2)],
    ids=["server", "client"],
)


@BEHIND
@ONE_READ
@pytest.mark.parametrize("data", [b"", frame(b"hello")], ids=["nothing", "a message"])
def test_what_breaks_tls_right_behind_the_handshake_ends_a_connection_that_was_made(
    sealed: SealedRoad, side: str, version: ssl.TLSVersion, data: bytes, behind: str
) -> None:
    sealed.at_most(version)
    ours = Frames()
    peer: Any = sealed.approach(lambda: ours, side=side)
    last = peer.last_flight()
    if data:
        last += peer.sealed(data)
    peer.put(last + (BAD_RECORD if behind == "bad record" else fatal_alert(peer)))
    sealed.until(lambda: ours.ended)
    assert ours.calls == ["made", *["message"] * bool(data), "lost"]
    assert isinstance(ours.lost, ssl.SSLError)
    sealed.until(lambda: sealed.reactor.stats()["connections"] == 0)


# --- an end without a goodbye


@both_versions
@SIDES
def test_an_end_without_goodbye_between_frames_is_a_clean_end(
    sealed: SealedRoad, side: str, version: ssl.TLSVersion
) -> None:
    sealed.at_most(version)
    ours = Frames(message=echo)
    peer = sealed.meet(ours, side=side)
    peer.put(peer.sealed(frame(b"one") + frame(b"two")))
    peer.cut()
    assert bodies(peer.reads_to_the_end()) == [b"one", b"two"]
    assert peer.end == "eof"
    sealed.until(lambda: ours.ended)
    assert ours.calls == ["made", "message", "message", "eof", "lost"]
    assert ours.lost is None


@SIDES
def test_an_end_without_goodbye_inside_a_frame_is_truncation(sealed: SealedRoad, side: str) -> None:
    ours = Frames()
    peer = sealed.meet(ours, side=side)
    peer.send(frame(b"one") + b"\0\0\1\0half")
    peer.cut()
    sealed.until(lambda: ours.ended)
    assert ours.messages == [b"one"]
    assert "eof" not in ours.calls
    assert isinstance(ours.lost, (FrameTruncated, ssl.SSLEOFError))


@SIDES
@pytest.mark.parametrize("kind", [Frames, Bytes])
def test_an_end_inside_a_record_is_truncation(sealed: SealedRoad, side: str, kind: type[Any]) -> None:
    ours = kind()
    peer = sealed.meet(ours, side=side)
    peer.put(peer.sealed(frame(b"one"))[:-1])
    peer.cut()
    sealed.until(lambda: ours.ended)
    assert ours.calls == ["made", "lost"]
    assert isinstance(ours.lost, (FrameTruncated, ssl.SSLEOFError))


@SIDES
def test_an_end_without_goodbye_is_truncation_for_who_takes_bytes(sealed: SealedRoad, side: str) -> None:
    ours = Bytes()
    peer = sealed.meet(ours, side=side)
    peer.send(b"bytes")
    peer.cut()
    sealed.until(lambda: ours.ended)
    assert ours.data == b"bytes"
    assert "eof" not in ours.calls
    assert isinstance(ours.lost, ssl.SSLEOFError)


@SIDES
def test_a_context_may_say_that_ends_without_goodbye_are_clean(sealed: SealedRoad, side: str) -> None:
    ours = Bytes()
    context = sealed.server_context if side == "server" else sealed.client_context
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    peer = sealed.meet(ours, side=side)
    peer.send(b"bytes")
    peer.cut()
    sealed.until(lambda: ours.ended)
    assert ours.data == b"bytes"
    assert ours.calls[-2:] == ["eof", "lost"]
    assert ours.lost is None


# --- what came before a bad record


@pytest.mark.parametrize("kind", [Frames, Batches])
def test_thousands_of_messages_before_a_bad_record_are_delivered(sealed: SealedRoad, kind: type[Frames]) -> None:
    ours = kind()
    peer = sealed.meet(ours)
    sent = [b"%d" % number for number in range(3_000)]
    peer.put(peer.sealed(b"".join(map(frame, sent))) + BAD_RECORD)
    sealed.until(lambda: ours.ended)
    assert ours.messages == sent
    assert isinstance(ours.lost, ssl.SSLError)


def test_messages_before_a_bad_record_are_delivered_when_reading_resumes(sealed: SealedRoad) -> None:
    ours = Frames(message=lambda self, message: self.transport.pause_reading())
    peer = sealed.meet(ours)
    peer.put(peer.sealed(frame(b"one") + frame(b"two")) + BAD_RECORD)
    for count in (1, 2):
        sealed.until(lambda count=count: len(ours.messages) == count or ours.ended)
        sealed.settle()
        assert not ours.ended
        ours.transport.resume_reading()
    sealed.until(lambda: ours.ended)
    assert ours.messages == [b"one", b"two"]
    assert isinstance(ours.lost, ssl.SSLError)


# --- new keys, a new handshake


def test_a_peer_that_asks_for_new_keys_now_and_then_gets_them(sealed: SealedRoad) -> None:
    ours = Frames(message=echo)
    peer: Any = sealed.meet(ours)
    for number in range(20):
        peer.put(key_updates(peer, 3) + peer.sealed(frame(b"%d" % number)))
        sealed.until(lambda number=number: bodies(peer.take_all())[-1:] == [b"%d" % number])
    assert not ours.ended


def renegotiating(sealed: SealedRoad, ours: Frames) -> Peer:
    """A server that asks our client for a new handshake, and has not heard its answer yet."""
    sealed.at_most(ssl.TLSVersion.TLSv1_2)
    peer = sealed.meet(ours, side="client")
    assert isinstance(peer, SealedPeer)
    peer.send(frame(b"before"))
    assert bodies(peer.reads(10)) == [b"before"]
    peer.put(renegotiation(peer))
    sealed.settle()
    return peer


def test_what_is_sent_while_the_peer_renegotiates_leaves_in_order(sealed: SealedRoad) -> None:
    ours = Frames(message=echo)
    peer = renegotiating(sealed, ours)
    for number in range(10):
        ours.send(b"%d" % number)
        sealed.settle(2)
    ours.transport.writelines([frame(b"last"), frame(b"words")])
    wanted = [b"before", *(b"%d" % number for number in range(10)), b"last", b"words"]
    peer.reads(len(b"".join(map(frame, wanted))))
    assert bodies(peer.plain) == wanted
    peer.send(frame(b"behind"))
    sealed.until(lambda: ours.messages == [b"before", b"behind"])


def test_a_close_while_the_peer_renegotiates_sends_what_was_written(sealed: SealedRoad) -> None:
    ours = Frames(message=echo)
    peer = renegotiating(sealed, ours)
    ours.send(b"last words")
    ours.transport.close()
    assert bodies(peer.reads_to_the_end()) == [b"before", b"last words"]
    assert peer.end == "eof"
    sealed.until(lambda: ours.ended)
    assert ours.lost is None
