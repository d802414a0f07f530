"""examples/any_loop.py under each loop, talked to by plain sockets."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from example_programs import Program, ended, frame, read_message, run

from reactor._mode import compiled_wanted

TWIN = "py" if compiled_wanted() is False else "c"


@pytest.fixture(scope="module", params=["reactor", "asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} isn't installed")
    with Program(TWIN, "any_loop.py", "127.0.0.1", 0, "--loop", request.param) as server:
        yield server


def test_messages_are_answered(server: Program) -> None:
    with server.connect() as sock:
        sock.sendall(frame(b"hello") + frame(b"") + frame(b"world"))
        assert [read_message(sock) for _ in range(3)] == [b"HELLO", b"", b"WORLD"]


def test_what_is_too_large_ends_its_sender_with_one_line(server: Program) -> None:
    with server.connect() as sock, server.connect() as neighbour:
        sock.sendall(frame(b"first") + b"\xff\xff\xff\xff")
        assert read_message(sock) == b"FIRST"
        assert ended(sock)
        assert "max_frame_length" in server.complains()
        neighbour.sendall(frame(b"still here"))
        assert read_message(neighbour) == b"STILL HERE"


def test_on_sigterm_all_are_closed(server: Program) -> None:
    with server.connect() as sock:
        sock.sendall(frame(b"in"))
        assert read_message(sock) == b"IN"
        server.drain()
        assert ended(sock)
    assert server.stop(None) == ("", "")


def test_another_loop_is_refused_with_the_usage() -> None:
    done = run(TWIN, "any_loop.py", "127.0.0.1", 0, "--loop", "trio")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "--loop is reactor, asyncio or uvloop" in done.stderr
