"""PROXY headers as a proxy writes them, made without the library's help."""

from __future__ import annotations

import socket
import struct

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
CRC, NOOP, AUTHORITY = 3, 4, 2
TCP4, UDP4, TCP6, UNIX, UNSPEC = 0x11, 0x12, 0x21, 0x31, 0x00


def line(text: str) -> bytes:
    return text.encode() + b"\r\n"


def four(source: str = "192.0.2.1", destination: str = "192.0.2.2", ports: tuple[int, int] = (4711, 443)) -> bytes:
    return socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(">HH", *ports)


def six(source: str = "2001:db8::1", destination: str = "2001:db8::2", ports: tuple[int, int] = (4711, 443)) -> bytes:
    packed = (socket.inet_pton(socket.AF_INET6, each) for each in (source, destination))
    return b"".join(packed) + struct.pack(">HH", *ports)


def unix(source: bytes = b"/run/client", destination: bytes = b"/run/server") -> bytes:
    return source.ljust(108, b"\0") + destination.ljust(108, b"\0")


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def binary(addresses: bytes, family: int = TCP4, tlvs: bytes = b"", *, command: int = 0x21, crc: bool = False) -> bytes:
    """A header of version 2; `crc` puts a checksum behind all else."""
    rest = addresses + tlvs + (tlv(CRC, bytes(4)) if crc else b"")
    header = SIGNATURE + struct.pack(">BBH", command, family, len(rest)) + rest
    return header[:-4] + struct.pack(">I", crc32c(header)) if crc else header


def crc32c(data: bytes) -> int:
    """Bit by bit, as the polynomial says."""
    crc = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            low = (crc ^ (byte >> bit)) & 1
            crc = (crc >> 1) ^ (0x82F63B78 if low else 0)
    return crc ^ 0xFFFFFFFF
