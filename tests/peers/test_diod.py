"""diod, a server of 9P2000.L, understands the preset, and the other way round."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until
from peers.conftest import missing
from peers.servers import directory_of, free_port, program, running

from reactor import Backoff, FramedProtocol, Reactor, presets

_VERSION, _ATTACH, _WALK, _OPEN, _READ = 100, 104, 110, 12, 116  # a question; its answer is one more
_NO_TAG, _NO_FID = b"\xff\xff", b"\xff\xff\xff\xff"
_MSIZE = 65_536
_CONTENT = bytes(range(256)) * 1000


def number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little")


def text(words: str) -> bytes:
    return number(len(words), 2) + words.encode()


@pytest.fixture(scope="module")
def exported() -> Iterator[tuple[int, str]]:
    """Run a server of a directory with one file; return its port and the directory."""
    diod = program("diod")
    if diod is None:
        missing("diod isn't installed: Debian's diod has it")
    with directory_of(None) as where:
        (where / "file").write_bytes(_CONTENT)
        port = free_port()
        command = [diod, "--foreground", "--no-auth", "--export", str(where), "--listen", f"127.0.0.1:{port}"]
        with running(command, None):
            yield port, str(where)


class Client(FramedProtocol):
    """Reads the file in messages of the largest size that the server agrees to."""

    framing = presets.nine_p()

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.kinds: list[int] = []
        self.content = b""
        self.ended = False

    def connection_made(self, transport: Any) -> None:
        self.send(bytes([_VERSION]) + _NO_TAG + number(_MSIZE) + text("9P2000.L"))

    def ask(self, kind: int, *parts: bytes) -> None:
        self.send(bytes([kind]) + b"\1\0" + b"".join(parts))

    def message_received(self, message: bytes) -> None:
        assert self.decoder.header == number(4 + len(message))
        kind = message[0] - 1
        self.kinds.append(kind)
        if kind == _VERSION:
            self.decoder.max_frame_length = int.from_bytes(message[3:7], "little") - 4
            self.ask(_ATTACH, number(0), _NO_FID, text(""), text(self.directory), number(os.geteuid()))
        elif kind == _ATTACH:
            self.ask(_WALK, number(0), number(1), number(1, 2), text("file"))
        elif kind == _WALK:
            self.ask(_OPEN, number(1), number(0))
        elif kind == _OPEN or (kind == _READ and len(message) > 7):
            self.content += message[7:] if kind == _READ else b""
            self.ask(_READ, number(1), number(len(self.content), 8), number(_MSIZE - 24))
        else:
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended = True


def test_a_file_is_read(net: Reactor, exported: tuple[int, str], twin: ModuleType) -> None:
    client = Client(exported[1])
    net.connect_tcp(lambda: client, "127.0.0.1", exported[0], retry=Backoff(initial=0.05, longest=0.05, attempts=200))
    run_until(net, lambda: client.ended)
    assert client.kinds[:5] == [_VERSION, _ATTACH, _WALK, _OPEN, _READ]
    assert client.content == _CONTENT
