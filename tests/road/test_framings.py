"""Lines, counts and frames on every road: what a class does with them, and that a change between them loses no byte."""

from __future__ import annotations

from typing import Any

import pytest
from road.cast import Frames
from road.roads import Road

from reactor import FrameCorrupt, FrameTooLarge, FrameTruncated, Framing, Limits
from reactor.testing import cuts

LINES = Framing.delimited(b"\r\n", max_frame_length=100)


def received(road: Road, ours: Any, stream: bytes, *, seed: str = "") -> Any:
    """Send a stream to protocols of ours in some cuts, one connection each; return them when all has come."""
    ways = list(cuts(stream, at_random=3, seed=seed))
    told = []
    for chunks in (ways[0], ways[1], *ways[-3:]):
        one = ours()
        peer = road.meet(one)
        for chunk in filter(None, chunks):
            peer.send(chunk)
            road.reactor.run_once(0)
        peer.finish()
        road.until(lambda one=one: one.ended)
        told.append(one)
    return told


class Http(Frames):
    """Requests: a line, header lines up to an empty one, and a body of the length that they announce."""

    def __init__(self) -> None:
        super().__init__(LINES)
        self.length = 0

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if self.framing is not LINES:
            self.framing, self.length = LINES, 0
        elif message.lower().startswith(b"content-length:"):
            self.length = int(message.partition(b":")[2])
        elif not message and self.length:
            self.framing = Framing.fixed(self.length)


def test_http_lines_and_counted_bodies(road: Road) -> None:
    stream = b"POST /a HTTP/1.1\r\nContent-Length: 7\r\n\r\n\r\nbody\nGET / HTTP/1.1\r\n\r\n"
    for ours in received(road, Http, stream):
        assert ours.messages == [
            b"POST /a HTTP/1.1",
            b"Content-Length: 7",
            b"",
            b"\r\nbody\n",
            b"GET / HTTP/1.1",
            b"",
        ]
        assert ours.lost is None


class Steps(Frames):
    """A framing for each message, the last for all that follow."""

    def __init__(self, *framings: Framing) -> None:
        super().__init__(framings[0])
        self.following = list(framings[1:])

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if self.following:
            self.framing = self.following.pop(0)


@pytest.mark.parametrize(
    ("framings", "stream", "messages"),
    [
        (
            (Framing.delimited(b"\r\n", max_frame_length=105), Framing()),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n\0\0\0\2hi\0\0\0\0",
            [b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443", b"hi", b""],
        ),
        (
            (LINES, Framing.delimited(b"\r\n.\r\n"), LINES),
            b"DATA\r\nSubject: x\r\n\r\n..text\r\n.\r\nQUIT\r\n",
            [b"DATA", b"Subject: x\r\n\r\n..text", b"QUIT"],
        ),
        (
            (Framing.fixed(1), Framing(4, length_field_offset=1, length_adjustment=-4)),
            b"NR\0\0\0\x08\0\0\0\0Z\0\0\0\5I",
            [b"N", bytes(4), b"I"],
        ),
        (
            (Framing.fixed(24), Framing(3, length_adjustment=6)),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\4\0\0\0\0\0"],
        ),
    ],
    ids=["PROXY v1", "SMTP's DATA", "Postgres' answer of one byte", "HTTP/2's preface"],
)
def test_another_framing_in_mid_stream_loses_no_byte(
    road: Road, framings: tuple[Framing, ...], stream: bytes, messages: list[bytes]
) -> None:
    for ours in received(road, lambda: Steps(*framings), stream):
        assert ours.messages == messages
        assert ours.lost is None


def test_lines_are_sent_with_their_delimiter(road: Road) -> None:
    ours = Frames(LINES)
    peer = road.meet(ours)
    ours.send(b"one")
    ours.send_many([b"", b"three"])
    ours.send(b"x" * 100)
    with pytest.raises(ValueError, match="has the delimiter"):
        ours.send(b"a\r\nb")
    with pytest.raises(FrameTooLarge):
        ours.send_many([b"good", bytes(101)])
    assert peer.reads(5 + 2 + 7 + 102) == b"one\r\n\r\nthree\r\n" + b"x" * 100 + b"\r\n"


class Switches(Frames):
    """Its header's function sends, or ends the connection, in the middle of a send."""

    def __init__(self, meanwhile: Any) -> None:
        self.asked = 0
        self.meanwhile = meanwhile
        super().__init__(Framing.custom(digits, self.write_header, max_header_length=8))

    def write_header(self, size: int, _: bytes) -> bytes:
        self.asked += 1
        if self.asked == 1:
            self.meanwhile(self)
        return b"%d:" % size


def test_a_function_that_writes_headers_may_send(road: Road) -> None:
    ours = Switches(lambda self: self.send(b"inner"))
    peer = road.meet(ours)
    ours.send(b"outer")
    ours.send_many([b"more", b""])
    assert peer.reads(7 + 7 + 6 + 2) == b"5:inner5:outer4:more0:"
    assert ours.asked == 4


def test_a_function_that_writes_headers_may_change_the_framing(road: Road) -> None:
    ours = Switches(lambda self: setattr(self, "framing", LINES))
    peer = road.meet(ours)
    ours.send(b"counted")
    ours.send(b"line")
    assert peer.reads(9 + 6) == b"7:countedline\r\n"


def test_a_function_that_writes_headers_may_end_the_connection(road: Road) -> None:
    ours = Switches(lambda self: self.transport.abort())
    road.meet(ours)
    ours.send(b"lost")
    road.until(lambda: ours.ended)
    assert ours.lost is None


def test_a_function_that_writes_headers_and_fails_sends_nothing(road: Road) -> None:
    ours = Switches(lambda self: {}[1])
    peer = road.meet(ours)
    with pytest.raises(KeyError):
        ours.send_many([b"a", b"b"])
    ours.send(b"c")
    assert peer.reads(3) == b"1:c"


def test_large_lines_and_frames_leave_as_they_are(road: Road) -> None:
    for framing, frame in ((Framing.delimited(), b"%s\n"), (DIGITS, b"100000:%s")):
        ours = Frames(framing)
        peer = road.meet(ours)
        ours.send(b"x" * 100_000)
        ours.send_many([b"y" * 100_000, b"z" * 100_000])
        stream = b"".join(frame % (each * 100_000) for each in (b"x", b"y", b"z"))
        assert peer.reads(len(stream)) == stream


def test_messages_are_counted_whatever_the_framing(plain: Road) -> None:
    for framing in (LINES, DIGITS, Framing.fixed(1)):
        plain.meet(ours := Frames(framing))
        ours.send(b"1")
        ours.send_many([b"2", b"3"])
    assert plain.reactor.stats()["frames_sent"] == 9


def digits(head: bytes) -> tuple[int, int] | None:
    if not head[:1].isdigit():
        raise ValueError("a frame begins with a digit")
    at = head.find(b":")
    return None if at < 0 else (at + 1, int(head[:at]))


DIGITS = Framing.custom(digits, lambda size, _: b"%d:" % size, max_header_length=8, max_frame_length=1 << 20)


@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_what_a_function_reads_and_writes_is_echoed(road: Road, size: int) -> None:
    ours = Frames(DIGITS, message=lambda self, message: self.send(message))
    peer = road.meet(ours)
    stream = b"%d:" % size + b"x" * size
    peer.send(stream + b"2:ab")
    assert peer.reads(len(stream) + 4) == stream + b"2:ab"


def test_the_header_of_the_message_that_is_being_received(road: Road) -> None:
    headers: list[bytes] = []
    ours = Frames(DIGITS, message=lambda self, _: headers.append(self.decoder.header))
    peer = road.meet(ours)
    peer.send(b"1:a00:003:abc")
    road.until(lambda: len(ours.messages) == 3)
    assert headers == [b"1:", b"00:", b"003:"]


def test_the_first_byte_that_cant_be_right_ends_the_connection(road: Road) -> None:
    ours = Frames(DIGITS)
    peer = road.meet(ours)
    peer.send(b"1:ax")
    road.until(lambda: ours.ended)
    assert ours.messages == [b"a"]
    assert type(ours.lost) is FrameCorrupt
    assert str(ours.lost) == "a frame begins with a digit: header 78 'x' at stream offset 3"


def test_a_mistake_in_a_function_that_reads_headers_is_reported(road: Road) -> None:
    ours = Frames(Framing.custom(lambda head: {}[head], max_header_length=4))  # type: ignore[index]
    peer = road.meet(ours)
    peer.send(b"a")
    road.until(lambda: ours.ended)
    assert [type(each) for each in road.take_reports()] == [KeyError]
    assert type(ours.lost) is FrameCorrupt
    assert "read_header raised KeyError: b'a'" in str(ours.lost)


def test_the_protocol_may_answer_a_bad_frame_before_the_end(road: Road) -> None:
    ours = Frames(LINES, failed=lambda self, exc: self.send(b"501 " + type(exc).__name__.encode()))
    peer = road.meet(ours)
    peer.send(b"HELO\r\n" + b"x" * 200)
    assert peer.reads_to_the_end() == b"501 FrameTooLarge\r\n"
    assert ours.messages == [b"HELO"]


def test_a_line_that_doesnt_end_in_time_ends_the_connection(road: Road) -> None:
    ours = Frames(LINES)
    peer = road.meet(ours, Limits(frame_timeout=10))
    for byte in b"GET":
        peer.send(bytes([byte]))
        road.settle(3)
        road.clock.advance(4)
    road.until(lambda: ours.ended)
    assert "frame_timeout" in str(ours.lost)
    assert "bytes came without the delimiter" in str(ours.lost)


def test_the_end_inside_a_line_is_told(road: Road) -> None:
    ours = Frames(LINES)
    peer = road.meet(ours)
    peer.put(peer.sealed(b"one\r\ntw"))
    peer.finish()
    road.until(lambda: ours.ended)
    assert (ours.messages, type(ours.lost)) == ([b"one"], FrameTruncated)
