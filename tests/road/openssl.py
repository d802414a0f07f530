"""What Python's ssl doesn't offer, for peers that are hostile: it is asked of OpenSSL itself, or sealed by hand."""

from __future__ import annotations

import _ssl
import ctypes
import hashlib
import hmac
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from road.peers import SealedPeer

CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"
_POINTER_AT = 24  # in CPython's _SSLSocket: the object's head, a weak reference, then OpenSSL's SSL *
_UPDATE_REQUESTED = 1


@lru_cache
def _function(name: str, *types: type) -> Any:
    try:
        function = getattr(ctypes.CDLL(_ssl.__file__), name)
    except (AttributeError, OSError):
        pytest.skip(f"{name} can't be reached in this Python's OpenSSL")
    function.argtypes = [ctypes.c_void_p, *types]
    return function


def _pointer(tls: ssl.SSLObject) -> int | None:
    inner = tls._sslobj  # type: ignore[attr-defined]
    return ctypes.c_void_p.from_address(id(inner) + _POINTER_AT).value


def key_updates(peer: SealedPeer, count: int) -> bytes:
    """TLS 1.3: return so many wishes for new keys, each of which must be answered with new keys."""
    update, send = _function("SSL_key_update", ctypes.c_int), _function("SSL_do_handshake")
    pointer = _pointer(peer.tls)
    for _ in range(count):
        assert update(pointer, _UPDATE_REQUESTED) == 1
        assert send(pointer) == 1
    return peer.outgoing.read()


def renegotiation(peer: SealedPeer) -> bytes:
    """TLS 1.2, as server: return the wish for a new handshake."""
    assert _function("SSL_renegotiate")(_pointer(peer.tls)) == 1
    with suppress(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    return peer.outgoing.read()


def fatal_alert(peer: SealedPeer) -> bytes:
    """Return what the peer's OpenSSL says to a record that is none."""
    peer.incoming.write(BAD_RECORD)
    with suppress(ssl.SSLError):
        while True:
            peer.tls.read(1 << 16)
    return peer.outgoing.read()


BAD_RECORD = b"\x17\x03\x03\x00\x20" + bytes(32)


def refused_wishes(peer: SealedPeer, keys: Path, count: int) -> Iterator[bytes]:
    """TLS 1.2 with CIPHER, as client: empty ClientHellos under our keys. Each is refused with an alert.

    OpenSSL itself never sends a second wish before the first is answered, so they are sealed by hand (RFC 5288).
    """
    _, client_random, secret = keys.read_text().splitlines()[-1].split()
    server_random = bytes(peer.heard[11:43])  # behind the heads of the record and of the ServerHello, and the version
    block = _expand(bytes.fromhex(secret), b"key expansion" + server_random + bytes.fromhex(client_random), 40)
    seal, salt = AESGCM(block[:16]), block[32:36]
    hello = b"\1\0\0\0"
    for number in range(1, count + 1):  # 0 was our Finished
        sequence = struct.pack("!Q", number)
        sealed = seal.encrypt(salt + sequence, hello, sequence + b"\x16\x03\x03\x00\x04")
        yield b"\x16\x03\x03" + struct.pack("!H", 8 + len(sealed)) + sequence + sealed


def _expand(secret: bytes, seed: bytes, size: int) -> bytes:
    """RFC 5246, 5: the pseudorandom function."""
    out, link = b"", seed
    while len(out) < size:
        link = hmac.digest(secret, link, hashlib.sha256)
        out += hmac.digest(secret, link + seed, hashlib.sha256)
    return out[:size]
