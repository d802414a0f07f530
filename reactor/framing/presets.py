"""Framings by the name of what they are for. Law: each says in one call what its numbers would hide.

Each limit is the protocol's own or that of its usual server; where those are vast, it is one that a server can bear.
A legal message beyond it is told as FrameTooLarge, which names `max_frame_length`. `dataclasses.replace()` changes what
a preset has no argument for: `replace(presets.kafka(), oversize="stream")`.
"""

from __future__ import annotations

import sys
from typing import Literal

from .spec import ByteOrder, Framing

__all__ = [
    "amqp",
    "dns",
    "erlang",
    "grpc",
    "http2",
    "kafka",
    "length_includes_header",
    "lines",
    "memcached",
    "mongodb",
    "mqtt",
    "mysql",
    "native_messaging",
    "netstrings",
    "nine_p",
    "postgres",
    "postgres_startup",
    "protobuf",
    "zookeeper",
]

_NETSTRING_DIGITS = 18  # of a length: more is beyond every limit


def length_includes_header(
    length_field_length: int = 4,
    byteorder: ByteOrder = "big",
    *,
    length_field_offset: int = 0,
    max_frame_length: int = 1 << 20,
) -> Framing:
    """Return a framing whose length counts the whole frame: what is in front of it and the field itself, too."""
    return Framing(
        length_field_length,
        byteorder,
        length_field_offset=length_field_offset,
        length_adjustment=-(length_field_offset + length_field_length),
        max_frame_length=max_frame_length,
    )


# --- databases


def postgres(*, max_frame_length: int = 64 << 20) -> Framing:
    """Return the framing of PostgreSQL's messages, both ways, once the start is over: see `postgres_startup`.

        [type: 1][length: 4, counts itself and the message][message]

    Source: PostgreSQL's documentation, "Frontend/Backend Protocol", "Message Formats". A message is what follows the
    length; `decoder.header[:1]` is its type. Send with the type: `send(b"select 1\\0", prefix=b"Q")`. The server's own
    limit is 1 GiB.
    """
    return Framing(4, length_field_offset=1, length_adjustment=-4, max_frame_length=max_frame_length)


def postgres_startup(*, max_frame_length: int = 10_000) -> Framing:
    """Return the framing of what a PostgreSQL client says first: StartupMessage, SSLRequest, CancelRequest.

        [length: 4, counts itself and the message][message]

    Source: as for `postgres`; the limit is MAX_STARTUP_PACKET_LENGTH of libpq/pqcomm.h. A message begins with a version
    or a request code of 4 bytes. Nothing goes in front of the length: `send(message)`. SSLRequest is answered by one
    byte, which is `Framing.fixed(1)`; everything behind StartupMessage is `postgres()`.
    """
    return Framing(4, length_adjustment=-4, max_frame_length=max_frame_length)


def mysql(*, max_frame_length: int = 1 << 24) -> Framing:
    """Return the framing of MySQL's and MariaDB's packets.

        [length: 3, little-endian][sequence number: 1, not counted][payload]

    Source: MySQL's internals manual, "MySQL Packets". A message is `sequence number, payload`: `message[0]`, and
    `message[1:]`; `decoder.header` is the length. Send the same: `send(bytes([number]) + payload)`. A payload of
    0xffffff bytes goes on in the next packet, be that an empty one.
    """
    return Framing(3, "little", length_adjustment=1, max_frame_length=max_frame_length)


def mongodb(*, max_frame_length: int = 48_000_000 - 4) -> Framing:
    """Return the framing of MongoDB's wire protocol: OP_MSG, OP_COMPRESSED.

        [length: 4, little-endian, counts itself and the message][request id: 4][answer to: 4][opcode: 4][body]

    Source: MongoDB's specification "Wire Protocol"; the limit is `maxMessageSizeBytes` of its `hello`. A message begins
    with the request id; `decoder.header` is the length. Nothing goes in front of the length: `send(message)`.
    """
    return Framing(4, "little", length_adjustment=-4, max_frame_length=max_frame_length)


def memcached(*, max_frame_length: int = (1 << 20) + 512) -> Framing:
    """Return the framing of memcached's binary protocol.

        [magic: 1][opcode: 1][key length: 2][extras length: 1][data type: 1][status: 2][length: 4][opaque: 4][CAS: 8]
        [extras][key][value]: what the length counts

    Source: memcached's protocol_binary.h. A message begins with opaque and CAS, 12 bytes that the length doesn't count;
    `decoder.header` is the 12 bytes before. Send with the 8 bytes in front of the length:
    `send(opaque + cas + extras + key + value, prefix=first_eight)`. The limit has room for an item of 1 MiB, which is
    memcached's own.
    """
    return Framing(4, length_field_offset=8, length_adjustment=12, max_frame_length=max_frame_length)


def zookeeper(*, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of ZooKeeper's client protocol.

        [length: 4][packet]

    Source: ZooKeeper's zookeeper.jute, ClientCnxnSocket.java. A message is the packet, which begins with the client's
    xid, or is a ConnectRequest; `decoder.header` is the length. Nothing goes in front of it: `send(packet)`. The limit
    is that of `jute.maxbuffer`.
    """
    return Framing(4, max_frame_length=max_frame_length)


# --- brokers


def mqtt(*, max_frame_length: int = 16 << 20) -> Framing:
    """Return the framing of MQTT's control packets, 3.1.1 and 5.

        [type and flags: 1][length: varint of 1 to 4 bytes][variable header and payload]

    Source: OASIS MQTT 5.0, section 2.1. A message is what follows the length; `decoder.header[0] >> 4` is its type,
    `& 15` the flags. Send with that byte: `send(packet, prefix=b"\\x30")` is a PUBLISH. The protocol's own limit is
    268,435,455 bytes.
    """
    return Framing.varint(max_varint_bytes=4, length_field_offset=1, max_frame_length=max_frame_length)


def amqp(*, max_frame_length: int = 131_072 - 7) -> Framing:
    """Return the framing of AMQP 0-9-1's frames, behind the 8 bytes of its protocol header: `Framing.fixed(8)`.

        [type: 1][channel: 2][length: 4][payload][end: 0xce, not counted]

    Source: AMQP 0-9-1's specification, section 2.3.5. A message is `payload, end`: look at `message[-1]`, which must be
    0xce, and cut it off. `decoder.header[:3]` is type and channel. Send with both:
    `send(payload + b"\\xce", prefix=b"\\1\\0\\0")`. The limit is a `frame-max` of 128 KiB, RabbitMQ's, less the header.
    """
    return Framing(4, length_field_offset=3, length_adjustment=1, max_frame_length=max_frame_length)


def kafka(*, max_frame_length: int = 100 << 20) -> Framing:
    """Return the framing of Kafka's requests and answers.

        [length: 4][request or answer]

    Source: Kafka's protocol guide; the limit is a broker's `socket.request.max.bytes`. A message begins with the header
    of the request (its API key), or the correlation id of an answer; `decoder.header` is the length. Nothing goes in
    front of it: `send(request)`.
    """
    return Framing(4, max_frame_length=max_frame_length)


# --- calls and their messages


def http2(*, max_frame_length: int = 16_384 + 6) -> Framing:
    """Return the framing of HTTP/2's frames; a client sends 24 bytes before its first: `Framing.fixed(24)`.

        [length: 3][type: 1][flags: 1][stream: 4][payload]: the length counts the payload alone

    Source: RFC 9113, section 4.1. A message is `type, flags, stream, payload`: `message[0]`, `message[1]`,
    `message[2:6]`, `message[6:]`; `decoder.header` is the length. Send the same. The limit is SETTINGS_MAX_FRAME_SIZE
    as it is before anybody changes it, and 6.
    """
    return Framing(3, length_adjustment=6, max_frame_length=max_frame_length)


def grpc(*, max_frame_length: int = 4 << 20) -> Framing:
    """Return the framing of gRPC's messages, inside the DATA frames of a stream.

        [compressed: 1][length: 4][message]

    Source: grpc/doc/PROTOCOL-HTTP2.md, "Length-Prefixed-Message"; 4 MiB is gRPC's own limit of what is received.
    `decoder.header[0]` says whether a message is compressed. Send with that byte: `send(message, prefix=b"\\0")`.
    """
    return Framing(4, length_field_offset=1, max_frame_length=max_frame_length)


def protobuf(*, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of protobuf's delimited messages: `writeDelimitedTo`, `serialize_length_prefixed`.

        [length: varint][message]

    Source: protobuf's guide "Techniques", "Streaming Multiple Messages". A message is what follows the length,
    `decoder.header` is the length. Nothing goes in front of it: `send(message)`.
    """
    return Framing.varint(max_frame_length=max_frame_length)


def erlang(packet: Literal[1, 2, 4] = 4, *, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of a `gen_tcp` socket with `{packet, 1|2|4}`.

        [length: 1, 2 or 4][message]

    Source: Erlang/OTP's documentation of `inet:setopts/2`, "packet". `decoder.header` is the length. Nothing goes in
    front of it: `send(message)`. The limit is `{packet_size, 1048576}`.
    """
    if packet not in (1, 2, 4):
        raise ValueError(f"packet is {packet!r}, it must be 1, 2 or 4")
    return Framing(packet, max_frame_length=max_frame_length)


def nine_p(*, max_frame_length: int = (1 << 20) - 4) -> Framing:
    """Return the framing of 9P2000's messages, and of 9P2000.L's.

        [length: 4, little-endian, counts itself and the message][type: 1][tag: 2][parameters]

    Source: Plan 9's manual, intro(5). A message begins with its type; `decoder.header` is the length. Nothing goes in
    front of it: `send(message)`. The limit is an `msize` of 1 MiB: set `decoder.max_frame_length` to the one that
    Rversion names, less 4.
    """
    return Framing(4, "little", length_adjustment=-4, max_frame_length=max_frame_length)


def native_messaging(*, max_frame_length: int = 64 << 20) -> Framing:
    """Return the framing between a browser and its extension's native host, on the host's standard input and output.

        [length: 4, in the machine's byte order][JSON in UTF-8]

    Source: "Native messaging" of Chrome's developer documentation and of MDN. A message is the JSON; `decoder.header`
    is the length. Nothing goes in front of it: `send(json)`. 64 MiB is what a browser sends at most; it takes 1 MiB.
    """
    return Framing(4, sys.byteorder, max_frame_length=max_frame_length)


def dns(*, max_frame_length: int = 65_535) -> Framing:
    """Return the framing of DNS over TCP and over TLS.

        [length: 2][message]

    Source: RFC 1035, section 4.2.2; RFC 7858 for TLS. A message is what a datagram would hold; `decoder.header` is the
    length. Nothing goes in front of it: `send(message)`.
    """
    return Framing(2, max_frame_length=max_frame_length)


# --- text


def lines(delimiter: bytes = b"\n", *, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of lines. Those of SMTP, IRC, HTTP's head end in `b"\\r\\n"`: say so.

        [line][delimiter]

    Source: RFC 5321, section 2.3.8, and its kin. A message is the line without its delimiter; `decoder.header` is
    empty. `send(line)` appends the delimiter, and refuses a line that contains it.
    """
    return Framing.delimited(delimiter, max_frame_length=max_frame_length)


def netstrings(*, max_frame_length: int = 1 << 20) -> Framing:
    """Return the framing of netstrings.

        [length: decimal digits][":"][string][",", not counted]

    Source: D. J. Bernstein, "Netstrings", 1997; SCGI. A message is `string, comma`: look at `message[-1:]`, which must
    be `b","`, and cut it off. `decoder.header` is the length and the colon. Send the same: `send(string + b",")`.
    """
    return Framing.custom(
        _read_netstring,
        _write_netstring,
        max_header_length=_NETSTRING_DIGITS + 1,
        max_frame_length=max_frame_length,
    )


def _read_netstring(head: bytes) -> tuple[int, int] | None:
    digits, colon, _ = head.partition(b":")
    if not digits.isdigit():
        raise ValueError("a netstring begins with its length in decimal digits and a colon")
    if digits[:1] == b"0" and len(digits) > 1:
        raise ValueError("the length of a netstring begins with no needless 0")
    return (len(digits) + 1, int(digits) + 1) if colon else None


def _write_netstring(size: int, prefix: bytes) -> bytes:
    if prefix:
        raise ValueError(f"prefix has {len(prefix)} bytes, a netstring has none")
    if size == 0:
        raise ValueError("a netstring to send ends in a comma: the body has to have it")
    return b"%d:" % (size - 1)
