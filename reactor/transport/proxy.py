"""The PROXY protocol, as haproxy's proxy-protocol.txt says it. Law: bytes in, values out; it reads no socket.

A header is judged as soon as enough of it is there to know, and a verdict never depends on how its bytes were cut.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from ..late import ipaddress

_SIGNATURES = {1: b"PROXY ", 2: b"\r\n\r\n\0\r\nQUIT\n"}
_LONGEST_LINE = 107  # bytes of version 1, with its CRLF
_FIXED = 16  # bytes of version 2 that are always there
_FAMILIES = {  # of version 2: a name, and how many bytes one address and all of them take
    0x00: ("UNKNOWN", 0, 0),
    0x11: ("TCP4", 4, 12),
    0x12: ("UDP4", 4, 12),
    0x21: ("TCP6", 16, 36),
    0x22: ("UDP6", 16, 36),
    0x31: ("UNIX", 108, 216),
    0x32: ("UNIX_DGRAM", 108, 216),
}
_CRC32C, _NOOP = 3, 4  # types of what comes behind the addresses
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, from its low end

_Networks = tuple["ipaddress.IPv4Network | ipaddress.IPv6Network", ...]


class ProxyInfo(NamedTuple):
    """What `get_extra_info("proxy")` tells of the header that a connection began with.

    `family`: "TCP4", "TCP6", "UDP4", "UDP6", "UNIX", "UNIX_DGRAM", "UNKNOWN" where the proxy doesn't say, "LOCAL" for a
    connection of the proxy's own, as a health check is. `source`, `destination`: as socket addresses, None with the
    last two. `tlvs`: (type, value) of version 2, as they came. `proxy`: the address of who sent the header.
    """

    version: int
    family: str
    source: Any = None
    destination: Any = None
    tlvs: tuple[tuple[int, bytes], ...] = ()
    proxy: Any = None

    def tlv(self, kind: int) -> bytes | None:
        """Return the first value of this type, None if there is none."""
        return next((value for each, value in self.tlvs if each == kind), None)


@dataclass(frozen=True)
class ProxyHeader:
    """Who comes to a door says first for whom, in a header of the PROXY protocol. Raises ValueError naming the field.

    `trusted`: addresses and networks of the proxies. Nobody else may come; at a Unix socket whoever may open it is
    trusted. `versions`: of the protocol, which may come. `timeout`: seconds from the accept until the header is whole.
    """

    trusted: Iterable[str]
    versions: Iterable[int] = (1, 2)
    timeout: float = 3.0
    _networks: _Networks = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.trusted, (str, bytes)) or not isinstance(self.trusted, Iterable):
            raise ValueError(f"trusted is {self.trusted!r}, it must be a list of addresses and networks")
        networks = tuple(map(_network, self.trusted))
        versions = tuple(self.versions) if isinstance(self.versions, Iterable) else ()
        if not versions or not set(versions) <= set(_SIGNATURES):
            raise ValueError(f"versions is {self.versions!r}, it must be (1, 2), (1,) or (2,)")
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, (int, float)):
            raise ValueError(f"timeout is {self.timeout!r}, it must be seconds, more than 0")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout is {self.timeout!r}, it must be seconds, more than 0")
        for name, value in (("trusted", tuple(map(str, networks))), ("versions", versions), ("_networks", networks)):
            object.__setattr__(self, name, value)

    def trusts(self, peer: Any) -> bool:
        """Whether a peer, as `getpeername()` says it, may send a header."""
        if not isinstance(peer, tuple):
            return True
        address = ipaddress.ip_address(peer[0])
        if address.version == 6 and address.ipv4_mapped is not None:  # at a socket that is both families'
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def size(self, head: bytes) -> int | None:
        """Return how long the header is that begins so, None while that can't be told. Raises ValueError."""
        assert isinstance(self.versions, tuple)
        for version in self.versions:
            signature = _SIGNATURES[version]
            if head.startswith(signature):
                return _size_1(head) if version == 1 else _size_2(head)
            if signature.startswith(head):
                return None
        wanted = " or ".join(map(str, self.versions))
        raise ValueError(f"no PROXY header of version {wanted} begins with {head[:12]!r}")


def parse_header(header: bytes) -> ProxyInfo:
    """Read a header that is whole. Raises ValueError."""
    return _parse_1(header) if header.startswith(_SIGNATURES[1]) else _parse_2(header)


def _network(given: Any) -> Any:
    try:
        return ipaddress.ip_network(given)
    except ValueError as exc:
        raise ValueError(f"trusted has {given!r}, an address or a network is needed: {exc}") from None


# --- version 1, for people


def _size_1(head: bytes) -> int | None:
    end = head.find(b"\r\n", 0, _LONGEST_LINE)
    if end >= 0:
        return end + 2
    if len(head) >= _LONGEST_LINE:
        raise ValueError(f"a PROXY line ends within {_LONGEST_LINE} bytes, this one doesn't: {head[:24]!r}...")
    return None


def _parse_1(line: bytes) -> ProxyInfo:
    words = line[:-2].split(b" ")[1:]
    if words[0] == b"UNKNOWN":
        return ProxyInfo(1, "UNKNOWN")  # what follows is to be ignored
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        raise ValueError(f"no PROXY header of version 1: {line!r}")
    is_old = words[0] == b"TCP4"
    pairs = zip(words[1:3], words[3:5], strict=True)
    source, destination = (_sockaddr(_packed(host, is_old), _port(port)) for host, port in pairs)
    return ProxyInfo(1, words[0].decode(), source, destination)


def _packed(host: bytes, is_old: bool) -> bytes:
    """Return an address as bytes. The standard library refuses leading zeros, as it is to be, and would take a zone."""
    text = host.decode("ascii", "replace").replace("%", "?")
    try:
        return ipaddress.IPv4Address(text).packed if is_old else ipaddress.IPv6Address(text).packed
    except ValueError as exc:
        raise ValueError(f"an address in a PROXY header is none: {exc}") from None


def _port(text: bytes) -> int:
    if not text.isdigit() or (text[:1] == b"0" and text != b"0") or len(text) > 5 or int(text) > 0xFFFF:
        raise ValueError(f"a port in a PROXY header is a number from 0 to 65535 without leading zeros, not {text!r}")
    return int(text)


# --- version 2, for machines


def _size_2(head: bytes) -> int | None:
    """Judge the fixed part, and return the size that it announces."""
    if len(head) < _FIXED:
        return None
    version, command, kind = head[12] >> 4, head[12] & 15, head[13]
    if version != 2 or command > 1:
        raise ValueError(f"version {version}, command {command} of a PROXY header are unknown")
    size = int.from_bytes(head[14:16], "big")
    if command == 0:  # LOCAL: whatever follows is to be passed over
        return _FIXED + size
    if kind not in _FAMILIES:
        raise ValueError(f"a PROXY header has no family and protocol {kind:#04x}")
    name, _, needed = _FAMILIES[kind]
    if size < needed:
        raise ValueError(f"a PROXY header of {name} needs {needed} bytes of addresses, this one announces {size}")
    return _FIXED + size


def _parse_2(header: bytes) -> ProxyInfo:
    if header[12] & 15 == 0:
        return ProxyInfo(2, "LOCAL")
    name, size, needed = _FAMILIES[header[13]]
    tlvs = tuple(_tlvs(header, _FIXED + needed))
    if not size:
        return ProxyInfo(2, name, tlvs=tlvs)
    middle, end = _FIXED + size, _FIXED + 2 * size
    hosts, ports = (header[_FIXED:middle], header[middle:end]), header[end : end + 4]
    if name.startswith("UNIX"):
        return ProxyInfo(2, name, _path(hosts[0]), _path(hosts[1]), tlvs)
    numbers = [int.from_bytes(each, "big") for each in (ports[:2], ports[2:])]
    return ProxyInfo(2, name, _sockaddr(hosts[0], numbers[0]), _sockaddr(hosts[1], numbers[1]), tlvs)


def _tlvs(header: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield what comes behind the addresses; a checksum among it is held against the header."""
    checked = False
    while at < len(header):
        start = at + 3
        end = start + int.from_bytes(header[at + 1 : start], "big")
        if start > len(header) or end > len(header):
            raise ValueError(f"a PROXY header ends inside a TLV of type {header[at]:#04x}")
        if header[at] == _CRC32C:
            if checked:
                raise ValueError("a PROXY header has two checksums")
            _check(header, start, end)
            checked = True
        if header[at] != _NOOP:
            yield header[at], header[start:end]
        at = end


def _check(header: bytes, start: int, end: int) -> None:
    if end - start != 4 or crc32c(header[:start] + bytes(4) + header[end:]) != int.from_bytes(header[start:end], "big"):
        raise ValueError(f"the checksum of a PROXY header is wrong: {header[start:end].hex()}")


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of RFC 4960, appendix B."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _crc_table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL * (crc & 1))
        table.append(crc)
    return table


# --- addresses, as sockets say them


def _sockaddr(packed: bytes, port: int) -> tuple[Any, ...]:
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed), port
    return socket.inet_ntop(socket.AF_INET6, packed), port, 0, 0


def _path(field: bytes) -> str | bytes:
    """Return a Unix socket's name: an abstract one, which begins with a zero byte, is bytes."""
    if field[:1] == b"\0":
        return field.rstrip(b"\0") or ""
    return os.fsdecode(field.partition(b"\0")[0])
