"""examples/echo.py, talked to by plain sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import TWINS
from example_programs import Program, ended, frame, read, read_message, send_until_stuck

MOST = 64 << 20  # bytes that no system's buffers take


@pytest.fixture(scope="module", params=TWINS)
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    with Program(request.param, "echo.py", "127.0.0.1", 0) as server:
        yield server


def test_messages_come_back_in_their_order(server: Program) -> None:
    messages = [b"", b"hello", b"x" * 60_000, b"world"]
    with server.connect() as sock:
        sock.sendall(b"".join(map(frame, messages)))
        assert [read_message(sock) for _ in messages] == messages


def test_a_message_that_is_too_large_ends_who_sends_it_with_one_line_and_nobody_else(server: Program) -> None:
    with server.connect() as neighbour, server.connect() as sock:
        sock.sendall(frame(b"first") + b"\xff\xff\xff\xff")
        assert read_message(sock) == b"first"
        assert ended(sock)
        assert "max_frame_length" in (line := server.complains())
        assert repr(sock.getsockname()) in line
        neighbour.sendall(frame(b"still here"))
        assert read_message(neighbour) == b"still here"


def test_who_reads_no_answers_is_read_no_more_and_loses_none(server: Program) -> None:
    message = frame(b"x" * 50_000)
    with server.connect() as sock, server.connect() as neighbour:
        sent = send_until_stuck(sock, message, MOST)
        assert sent < MOST
        neighbour.sendall(frame(b"quick"))
        assert read_message(neighbour) == b"quick"
        whole, rest = divmod(sent, len(message))
        assert read(sock, whole * len(message)) == message * whole
        sock.sendall(message[rest:])
        assert read(sock, len(message)) == message


def test_on_sigterm_who_is_idle_is_closed_and_who_is_busy_is_answered(server: Program) -> None:
    with server.connect() as idle, server.connect() as busy:
        for each in (idle, busy):  # or they may wait in the kernel's queue when it closes
            each.sendall(frame(b"in"))
            assert read_message(each) == b"in"
        busy.sendall(frame(b"half")[:6])
        server.drain()
        assert ended(idle)
        busy.sendall(frame(b"half")[6:])
        assert read_message(busy) == b"half"
        assert ended(busy)
        assert server.stop(None) == ("", "")
