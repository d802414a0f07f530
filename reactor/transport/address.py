"""Addresses as people write them: "host:port", "[::1]:port", "unix:/path". Law: text in, values out; no socket."""

from __future__ import annotations

import os
import socket
from typing import Any, NamedTuple

from ..late import ipaddress


class TCPAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(NamedTuple):
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse_address(text: str) -> TCPAddress | UnixAddress:
    """Read an address. Raises ValueError that says what is wrong with it."""
    if text.startswith("unix:"):
        if text == "unix:":
            raise ValueError(f"{text!r} has no path behind unix:")
        return UnixAddress(text[5:])
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} has no port: HOST:PORT is needed, or unix:PATH")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} has more than one colon: write an IPv6 address as [{host}]:{port}")
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise ValueError(f"{text!r} has {port!r} for a port: a number from 0 to 65535 is needed")
    return TCPAddress(host, int(port))


def format_address(sockaddr: Any) -> str:
    """Write what `getsockname` or `getpeername` returned as people would."""
    if isinstance(sockaddr, tuple):
        return str(TCPAddress(sockaddr[0], sockaddr[1]))
    path = os.fsdecode(sockaddr)
    return str(UnixAddress("@" + path[1:] if path.startswith("\0") else path or "(unnamed)"))


def numeric_family(host: str) -> int | None:
    """Return the address family of a numeric host (an IPv6 scope is allowed), None for a name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return socket.AF_INET if version == 4 else socket.AF_INET6


def server_name(host: str | None) -> str | None:
    """Return what a certificate is looked at for: no dot at the end (RFC 6066, 3), and no IPv6 zone."""
    if not host:
        return None
    if numeric_family(host) == socket.AF_INET6:
        return host.partition("%")[0]
    return host.removesuffix(".") or None
