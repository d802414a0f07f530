"""Memcached understands the preset of its binary protocol, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until
from peers.conftest import missing
from peers.servers import directory_of, program, running, unprivileged

from reactor import FramedProtocol, Reactor, presets

_GET, _SET, _QUIT = 0, 1, 7
_LARGEST = (1 << 20) - 100  # an item has a header of its own inside its mebibyte


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    """Run a server at a Unix socket."""
    memcached = program("memcached", "/usr/bin")
    if memcached is None:
        missing("memcached isn't installed: Debian's memcached has it")
    user = unprivileged("nobody")
    with directory_of(user) as where:
        socket = f"{where}/socket"
        with running([memcached, "-vv", "-a", "0777", "-s", socket, *(["-u", user] if user else [])], "listening"):
            yield socket


class Client(FramedProtocol):
    framing = presets.memcached()

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.came: list[tuple[int, bytes]] = []
        self.lost: BaseException | None = None
        self.ended = False

    def connection_made(self, transport: Any) -> None:
        self.ask(_SET, bytes(8), b"key", self.value)
        self.ask(_GET, b"", b"key")
        self.ask(_GET, b"", b"no such key")
        self.ask(_QUIT)

    def ask(self, opcode: int, extras: bytes = b"", key: bytes = b"", value: bytes = b"") -> None:
        opaque_and_cas = bytes([opcode]) + bytes(11)
        before = b"\x80" + bytes([opcode]) + len(key).to_bytes(2, "big") + bytes([len(extras), 0, 0, 0])
        self.send(opaque_and_cas + extras + key + value, prefix=before)

    def message_received(self, message: bytes) -> None:
        header = self.decoder.header
        assert (header[0], header[1]) == (0x81, message[0])  # the opaque comes back
        self.came.append((int.from_bytes(header[6:8], "big"), message[12 + header[4] :]))

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost, self.ended = exc, True


@pytest.mark.parametrize("size", [0, 5, 70_000, _LARGEST])
def test_what_is_set_comes_back(net: Reactor, path: str, twin: ModuleType, size: int) -> None:
    client = Client(b"v" * size)
    net.connect_unix(lambda: client, path)
    run_until(net, lambda: client.ended)
    assert client.lost is None
    done, not_found = 0, 1
    assert client.came == [(done, b""), (done, b"v" * size), (not_found, b"Not found"), (done, b"")]
