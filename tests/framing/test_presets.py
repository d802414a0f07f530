"""Presets: what the names stand for, on the wire. Each stream is written by hand, after the preset's source."""

from __future__ import annotations

import inspect
import pickle
import sys
from dataclasses import dataclass, replace
from types import ModuleType

import pytest
from helpers import FrameRecorder, run_until

from reactor import EventLoop, FrameCorrupt, FrameTooLarge, Framing, FramingError, Limits, WriteBufferFull, presets
from reactor.testing import cuts, memory_pair


@dataclass
class Wire:
    """A stream, and what is in it: the header of each frame, its body, the prefix it is sent with."""

    name: str
    framing: Framing
    stream: bytes
    frames: list[tuple[bytes, bytes]]
    prefixes: list[bytes] | None = None


_NATIVE = (15).to_bytes(4, sys.byteorder)

WIRES = [
    Wire(
        "postgres_startup",
        presets.postgres_startup(),
        b"\0\0\0\x08\x04\xd2\x16\x2f"  # SSLRequest: 80877103
        b"\0\0\0\x14\0\3\0\0user\0alice\0\0",  # StartupMessage, version 3.0
        [(b"\0\0\0\x08", b"\x04\xd2\x16\x2f"), (b"\0\0\0\x14", b"\0\3\0\0user\0alice\0\0")],
    ),
    Wire(
        "postgres",
        presets.postgres(),
        b"R\0\0\0\x08\0\0\0\0"  # AuthenticationOk
        b"D\0\0\0\x0b\0\1\0\0\0\x011"  # DataRow: one column, "1"
        b"S\0\0\0\x04"  # Sync
        b"Z\0\0\0\x05I",  # ReadyForQuery, idle
        [
            (b"R\0\0\0\x08", b"\0\0\0\0"),
            (b"D\0\0\0\x0b", b"\0\1\0\0\0\x011"),
            (b"S\0\0\0\x04", b""),
            (b"Z\0\0\0\x05", b"I"),
        ],
        [b"R", b"D", b"S", b"Z"],
    ),
    Wire(
        "mysql",
        presets.mysql(),
        b"\x01\0\0\0\x0e"  # COM_PING
        b"\x07\0\0\x01\0\0\0\x02\0\0\0"  # OK_Packet
        b"\0\0\0\x02",  # an empty packet, behind one of 0xffffff bytes
        [(b"\x01\0\0", b"\0\x0e"), (b"\x07\0\0", b"\x01\0\0\0\x02\0\0\0"), (b"\0\0\0", b"\x02")],
    ),
    Wire(
        "mongodb",
        presets.mongodb(),
        # OP_MSG with the document {ping: 1}
        b"\x24\0\0\0\7\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0\x0f\0\0\0\x10ping\0\1\0\0\0\0",
        [(b"\x24\0\0\0", b"\7\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0\x0f\0\0\0\x10ping\0\1\0\0\0\0")],
    ),
    Wire(
        "memcached",
        presets.memcached(),
        b"\x80\0\0\5\0\0\0\0\0\0\0\5\0\0\0\x2a\0\0\0\0\0\0\0\0Hello"  # get "Hello"
        b"\x81\0\0\0\4\0\0\0\0\0\0\x09\0\0\0\x2a\0\0\0\0\0\0\0\1\xde\xad\xbe\xefWorld",  # its answer: flags, value
        [
            (b"\x80\0\0\5\0\0\0\0\0\0\0\5", b"\0\0\0\x2a\0\0\0\0\0\0\0\0Hello"),
            (b"\x81\0\0\0\4\0\0\0\0\0\0\x09", b"\0\0\0\x2a\0\0\0\0\0\0\0\1\xde\xad\xbe\xefWorld"),
        ],
        [b"\x80\0\0\5\0\0\0\0", b"\x81\0\0\0\4\0\0\0"],
    ),
    Wire(
        "zookeeper",
        presets.zookeeper(),
        b"\0\0\0\x08\xff\xff\xff\xfe\0\0\0\x0b"  # ping: xid -2, type 11
        b"\0\0\0\x10\xff\xff\xff\xfe\0\0\0\0\0\0\0\1\0\0\0\0",  # its answer: xid, zxid, no error
        [
            (b"\0\0\0\x08", b"\xff\xff\xff\xfe\0\0\0\x0b"),
            (b"\0\0\0\x10", b"\xff\xff\xff\xfe\0\0\0\0\0\0\0\1\0\0\0\0"),
        ],
    ),
    Wire(
        "mqtt",
        presets.mqtt(),
        b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a"  # CONNECT as "a", 3.1.1, a clean session, keep-alive of 60 s
        b"\x30\x82\x01\0\3a/b" + b"x" * 125 + b"\xc0\0",  # PUBLISH of 125 bytes to a/b; PINGREQ
        [(b"\x10\x0d", b"\0\4MQTT\4\2\0\x3c\0\1a"), (b"\x30\x82\x01", b"\0\3a/b" + b"x" * 125), (b"\xc0\0", b"")],
        [b"\x10", b"\x30", b"\xc0"],
    ),
    Wire(
        "amqp",
        presets.amqp(),
        b"\1\0\1\0\0\0\5\0\x14\0\x0a\0\xce"  # channel.open on channel 1
        b"\x08\0\0\0\0\0\0\xce",  # a heartbeat
        [(b"\1\0\1\0\0\0\5", b"\0\x14\0\x0a\0\xce"), (b"\x08\0\0\0\0\0\0", b"\xce")],
        [b"\1\0\1", b"\x08\0\0"],
    ),
    Wire(
        "kafka",
        presets.kafka(),
        b"\0\0\0\x0a\0\x12\0\0\0\0\0\7\xff\xff",  # ApiVersions 0, correlation id 7, no client id
        [(b"\0\0\0\x0a", b"\0\x12\0\0\0\0\0\7\xff\xff")],
    ),
    Wire(
        "http2",
        presets.http2(),
        b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"  # SETTINGS: 100 streams at most
        b"\0\0\0\4\1\0\0\0\0"  # its acknowledgement
        b"\0\0\5\0\1\0\0\0\1hello",  # DATA, the end of stream 1
        [
            (b"\0\0\6", b"\4\0\0\0\0\0\0\3\0\0\0\x64"),
            (b"\0\0\0", b"\4\1\0\0\0\0"),
            (b"\0\0\5", b"\0\1\0\0\0\1hello"),
        ],
    ),
    Wire(
        "grpc",
        presets.grpc(),
        b"\0\0\0\0\3\x08\x96\1\1\0\0\0\2\x1f\x8b\0\0\0\0\0",  # plain, compressed, empty
        [(b"\0\0\0\0\3", b"\x08\x96\1"), (b"\1\0\0\0\2", b"\x1f\x8b"), (b"\0\0\0\0\0", b"")],
        [b"\0", b"\1", b"\0"],
    ),
    Wire(
        "protobuf",
        presets.protobuf(),
        b"\3\x08\x96\1\0\x80\1" + bytes(128),
        [(b"\3", b"\x08\x96\1"), (b"\0", b""), (b"\x80\1", bytes(128))],
    ),
    Wire("erlang-1", presets.erlang(1), b"\3abc\0", [(b"\3", b"abc"), (b"\0", b"")]),
    Wire("erlang-2", presets.erlang(2), b"\0\3abc\0\0", [(b"\0\3", b"abc"), (b"\0\0", b"")]),
    Wire("erlang", presets.erlang(), b"\0\0\0\3abc\0\0\0\0", [(b"\0\0\0\3", b"abc"), (b"\0\0\0\0", b"")]),
    Wire(
        "nine_p",
        presets.nine_p(),
        b"\x13\0\0\0\x64\xff\xff\0\0\1\0\6\x009P2000"  # Tversion: no tag, msize 65536
        b"\x07\0\0\0\x6d\1\0",  # Rflush
        [(b"\x13\0\0\0", b"\x64\xff\xff\0\0\1\0\6\x009P2000"), (b"\x07\0\0\0", b"\x6d\1\0")],
    ),
    Wire(
        "native_messaging",
        presets.native_messaging(),
        _NATIVE + b'{"text":"ping"}' + bytes(4),
        [(_NATIVE, b'{"text":"ping"}'), (bytes(4), b"")],
    ),
    Wire(
        "dns",
        presets.dns(),
        b"\0\x1d\xab\xcd\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1",  # example.com, A
        [(b"\0\x1d", b"\xab\xcd\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1")],
    ),
    Wire(
        "lines",
        presets.lines(b"\r\n"),
        b"EHLO example.com\r\n\r\na\rb\nc\r\n",
        [(b"", b"EHLO example.com"), (b"", b""), (b"", b"a\rb\nc")],
    ),
    Wire(
        "netstrings",
        presets.netstrings(),
        b"12:hello world!,0:,3:1:2,",
        [(b"12:", b"hello world!,"), (b"0:", b","), (b"3:", b"1:2,")],
    ),
    Wire(
        "length_includes_header",
        presets.length_includes_header(2, "little", length_field_offset=2),
        b"MG\7\0abcMG\4\0",
        [(b"MG\7\0", b"abc"), (b"MG\4\0", b"")],
        [b"MG", b"MG"],
    ),
]
each_wire = pytest.mark.parametrize("wire", WIRES, ids=[wire.name for wire in WIRES])


def decoded(decoder: object, chunks: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers and bodies; the stream has to end well."""
    frames = []
    for chunk in chunks:
        decoder.push(chunk)  # type: ignore[attr-defined]
        frames += [(decoder.header, bytes(frame)) for frame in decoder]  # type: ignore[attr-defined]
    decoder.feed_eof()  # type: ignore[attr-defined]
    return frames


def error_of(framing: Framing, stream: bytes) -> FramingError:
    decoder = framing.decoder()
    decoder.feed(stream)
    assert decoder.error is not None
    return decoder.error


@each_wire
def test_its_messages_and_their_headers_are_read_however_the_stream_is_cut(codec: ModuleType, wire: Wire) -> None:
    for chunks in cuts(wire.stream):
        assert decoded(codec.Decoder(wire.framing), chunks) == wire.frames


@each_wire
@pytest.mark.usefixtures("twin")
def test_what_is_sent_is_what_was_read(wire: Wire) -> None:
    framing = replace(wire.framing)  # made here, so that it uses the test's twin
    prefixes = wire.prefixes or [b""] * len(wire.frames)
    sent = [framing.encode(body, prefix) for (_, body), prefix in zip(wire.frames, prefixes, strict=True)]
    assert b"".join(sent) == wire.stream


@each_wire
def test_it_survives_a_pickle(wire: Wire) -> None:
    assert pickle.loads(pickle.dumps(wire.framing)) == wire.framing


def test_every_preset_has_its_stream_and_says_its_source() -> None:
    assert {wire.name.partition("-")[0] for wire in WIRES} == set(presets.__all__)
    own = set(presets.__all__) - {"length_includes_header"}
    assert [name for name in own if "\nSource: " not in (inspect.getdoc(getattr(presets, name)) or "")] == []


# --- limits


@pytest.mark.usefixtures("twin")
@pytest.mark.parametrize("name", sorted(presets.__all__))
def test_the_largest_message_passes_both_ways_and_one_more_is_told_with_the_option(name: str) -> None:
    framing = getattr(presets, name)(max_frame_length=300)
    prefix = b"?" * framing.length_field_offset
    largest = framing.encode(b"," * 300, prefix)
    assert framing.decoder().feed(largest) == [b"," * 300]
    with pytest.raises(FrameTooLarge, match="max_frame_length is 300"):
        framing.encode(b"," * 301, prefix)
    more = replace(framing, max_frame_length=301).encode(b"," * 301, prefix)
    assert "max_frame_length is 300" in str(error_of(framing, more))


@pytest.mark.parametrize(
    ("framing", "largest"),
    [
        (presets.mysql(), 1 + 0xFFFFFF),
        (presets.http2(), 6 + 16_384),
        (presets.dns(), 0xFFFF),
        (presets.amqp(), 131_072 - 7),
        (presets.mongodb(), 48_000_000 - 4),
        (presets.kafka(), 104_857_600),
        (presets.grpc(), 4_194_304),
        (presets.native_messaging(), 64 << 20),
    ],
)
def test_a_protocol_that_has_a_limit_has_it_here(framing: Framing, largest: int) -> None:
    assert framing.max_frame_length == largest
    assert framing.header(largest, bytes(framing.length_field_offset))


@pytest.mark.parametrize("name", sorted(presets.__all__))
def test_with_the_defaults_the_largest_message_arrives_and_a_larger_one_is_told_the_option(
    name: str, twin: ModuleType, loop: EventLoop
) -> None:
    sender, receiver = FrameRecorder(), FrameRecorder()
    for each in sender, receiver:
        each.framing = getattr(presets, name)()
    memory_pair(loop, sender, receiver)
    loop.run_once(0)
    largest = sender.framing.max_frame_length
    message, prefix = b"," * largest, b"?" * sender.framing.length_field_offset
    with pytest.raises(FrameTooLarge, match=f"body of {largest + 1} bytes to send, max_frame_length is {largest}$"):
        sender.send(message + b",", prefix)
    sender.send(message, prefix)
    sender.transport.close()
    run_until(loop, lambda: sender.ended and receiver.ended)
    assert (receiver.messages, receiver.lost) == ([message], None)


def test_a_legal_message_that_is_larger_than_the_write_buffer_arrives(twin: ModuleType, loop: EventLoop) -> None:
    """One meets an empty buffer, which takes a message of any size; who sends a second is told the option."""
    sender, receiver = FrameRecorder(), FrameRecorder()
    for each in sender, receiver:
        each.framing = replace(presets.kafka())
    memory_pair(loop, sender, receiver)
    loop.run_once(0)
    message = bytes((Limits().max_write_buffer or 0) + 1)
    sender.send(message)
    run_until(loop, lambda: receiver.messages)
    assert receiver.messages == [message]
    for _ in range(2):
        sender.send(message)
    run_until(loop, lambda: sender.ended and receiver.ended)
    assert isinstance(sender.lost, WriteBufferFull)
    assert "max_write_buffer is 16777216" in str(sender.lost)


# --- what can't be


def test_a_length_that_includes_its_header_has_at_least_that() -> None:
    assert "body of -1 bytes" in str(error_of(presets.length_includes_header(2), b"\0\1"))
    assert "body of -1 bytes" in str(error_of(presets.postgres(), b"Z\0\0\0\3"))


def test_erlang_has_no_other_packets() -> None:
    with pytest.raises(ValueError, match="packet is 3"):
        presets.erlang(3)  # type: ignore[arg-type]


def test_kafka_refuses_a_negative_size() -> None:
    assert "max_frame_length is 104857600" in str(error_of(presets.kafka(), b"\xff\xff\xff\xff"))


def test_mqtt_refuses_a_fifth_byte_of_length(codec: ModuleType) -> None:
    decoder = codec.Decoder(presets.mqtt())
    assert decoder.feed(b"\x30\xff\xff\xff\xff") == []
    assert isinstance(decoder.error, FrameCorrupt)
    assert "max_varint_bytes, which is 4" in str(decoder.error)


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        (b":", "begins with its length in decimal digits and a colon: header 3a"),
        (b"5hello,", "begins with its length in decimal digits and a colon: header 35 68"),
        (b"1x", "begins with its length in decimal digits and a colon: header 31 78"),
        (b"05:hello,", "begins with no needless 0: header 30 35"),
        (b"-1:,", "begins with its length in decimal digits and a colon: header 2d"),
        (b"9" * 19, "can't tell after max_header_length bytes, which is 19"),
    ],
)
def test_a_netstring_that_none_can_be_is_refused_with_its_first_wrong_byte(
    codec: ModuleType, stream: bytes, shown: str
) -> None:
    for chunks in cuts(stream):
        decoder = codec.Decoder(presets.netstrings())
        for chunk in chunks:
            if decoder.error is None:
                assert decoder.feed(chunk) == []
        assert isinstance(decoder.error, FrameCorrupt)
        assert shown in str(decoder.error)


def test_a_netstring_of_any_length_that_can_be_written_is_too_large(codec: ModuleType) -> None:
    decoder = codec.Decoder(presets.netstrings())
    assert decoder.feed(b"9" * 18 + b":") == []
    assert isinstance(decoder.error, FrameTooLarge)


def test_a_netstring_is_sent_with_its_comma_and_no_prefix() -> None:
    with pytest.raises(ValueError, match="ends in a comma"):
        presets.netstrings().encode(b"")
    with pytest.raises(ValueError, match="prefix has 1 bytes"):
        presets.netstrings().encode(b"a,", prefix=b"?")


def test_a_line_may_not_contain_its_delimiter() -> None:
    with pytest.raises(ValueError, match="delimiter"):
        presets.lines().encode(b"two\nlines")
