"""One process serves HTTP by uvicorn and messages by `aio.adapt`; clients that know nothing of asyncio ask both."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from aio.test_adapt import LOOPS, run
from peers.conftest import missing

from reactor import FramedProtocol, aio


class Board:
    """An ASGI application: notes come by a framed port, HTTP tells them."""

    def __init__(self) -> None:
        self.notes: list[bytes] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await (self._live(receive, send) if scope["type"] == "lifespan" else self._answer(scope["path"], send))

    async def _live(self, receive: Any, send: Any) -> None:
        """Listen for notes as long as uvicorn serves."""
        await receive()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(aio.adapt(lambda: Note(self.notes)), "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        listening.close()
        await listening.wait_closed()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, path: str, send: Any) -> None:
        body = b"%d" % self.port if path == "/port" else b"\n".join(self.notes)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


class Note(FramedProtocol):
    def __init__(self, notes: list[bytes]) -> None:
        self._notes = notes

    def message_received(self, message: bytes) -> None:
        self._notes.append(message)
        self.send(b"%d" % len(self._notes))


def ask(port: int) -> tuple[list[bytes], bytes]:
    """Ask HTTP for the framed port, leave two notes there, and ask HTTP for them, on a connection that is kept."""
    http_side = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        framed_port = int(get(http_side, "/port"))
        with socket.create_connection(("127.0.0.1", framed_port), 20) as framed_side:
            framed_side.sendall(frame(b"milk") + frame(b"x" * 300_000))
            with framed_side.makefile("rb") as answers:
                numbers = [next(messages_of(answers)) for _ in range(2)]
            return numbers, get(http_side, "/notes")
    finally:
        http_side.close()


def get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def messages_of(file: Any) -> Iterator[bytes]:
    while head := file.read(4):
        yield file.read(*struct.unpack(">I", head))


@pytest.mark.parametrize("name", LOOPS)
def test_http_and_messages_in_one_process(twin: Any, name: str) -> None:
    if importlib.util.find_spec("uvicorn") is None:
        missing('uvicorn isn\'t installed: pip install "uvicorn>=0.30" has it')
    import uvicorn

    async def main() -> tuple[list[bytes], bytes]:
        config = uvicorn.Config(Board(), lifespan="on", http="h11", ws="none", log_config=None)
        server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))  # so that who asks too early only waits
        serving = asyncio.ensure_future(server.serve([listening]))
        try:
            return await asyncio.to_thread(ask, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await serving
            await asyncio.get_running_loop().shutdown_default_executor()

    numbers, notes = run(main, name)
    assert numbers == [b"1", b"2"]
    assert notes == b"milk\n" + b"x" * 300_000
