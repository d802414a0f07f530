"""curl speaks HTTP/2 with our preset: the preface of 24 bytes, then frames, both ways."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until
from peers.conftest import Start, missing
from peers.servers import program

from reactor import FramedProtocol, Framing, Reactor, presets

_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_STATUS_200 = b"\x88"  # of HPACK's static table
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WINDOW = 1 << 30


class Server(FramedProtocol):
    """Answers every request with a body, or with the one that came."""

    framing = Framing.fixed(24)

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.kinds: list[int] = []
        self.came = b""
        self.ended = False

    def message_received(self, message: bytes) -> None:
        if self.framing.fixed_length:
            assert message == _PREFACE
            self.framing = presets.http2()
            self.say(_SETTINGS, 0, 0, b"\0\4" + _WINDOW.to_bytes(4, "big"))  # of each stream
            self.say(_WINDOW_UPDATE, 0, 0, _WINDOW.to_bytes(4, "big"))  # of all together
            return
        kind, flags, stream = message[0], message[1], int.from_bytes(message[2:6], "big")
        assert self.decoder.header == (len(message) - 6).to_bytes(3, "big")
        self.kinds.append(kind)
        if kind == _SETTINGS and not flags & _ACK:
            self.say(_SETTINGS, _ACK, 0, b"")
        if kind == _DATA:
            self.came += message[6:]
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            self.answer(stream)

    def answer(self, stream: int) -> None:
        body, largest = self.came or self.body, presets.http2().max_frame_length - 6
        self.say(_HEADERS, _END_HEADERS, stream, _STATUS_200)
        for at in range(0, len(body), largest):
            self.say(_DATA, 0, stream, body[at : at + largest])
        self.say(_DATA, _END_STREAM, stream, b"")

    def say(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.send(bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended = True


@pytest.fixture
def curl(net: Reactor, start: Start, twin: ModuleType) -> Any:
    found = program("curl", "/usr/bin")
    if found is None:
        missing("curl isn't installed: Debian's curl has it")

    def curl(server: Server, *options: str) -> str:
        listening = net.listen_tcp(lambda: server, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.addresses[0][1]}/"
        said = start([found, "--silent", "--show-error", "--http2-prior-knowledge", *options, url]).verdict()
        run_until(net, lambda: server.ended)
        return said

    return curl


@pytest.mark.parametrize("size", [0, 5, 16_384, 60_000])
def test_curl_gets_what_is_served(curl: Any, size: int) -> None:
    server = Server(b"x" * size)
    assert curl(server) == "x" * size
    assert {_SETTINGS, _HEADERS} <= set(server.kinds)


def test_what_curl_uploads_comes_back_in_frames_of_the_largest_size(curl: Any, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"0123456789" * 100_000)
    server = Server(b"")
    assert curl(server, "--data-binary", f"@{tmp_path}/body") == "0123456789" * 100_000
    assert server.kinds.count(_DATA) > 50
