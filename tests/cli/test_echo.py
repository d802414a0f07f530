"""echo: it serves, whoever else comes, until it is told to end."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactor import Framing
from reactor.cli import main

Serve = Callable[..., Any]
FRAMING = Framing()


def read_exactly(sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        chunk = sock.recv(count - len(found))
        assert chunk, "the server closed the connection"
        found += chunk
    return found


def is_served(server: Any) -> bool:
    """Tell whether a new client gets its echo."""
    frame = FRAMING.encode(b"hello")
    with server.dial() as client:
        client.sendall(frame)
        return read_exactly(client, len(frame)) == frame


def test_messages_come_back_as_they_were_sent(serve: Serve) -> None:
    server = serve()
    frames = FRAMING.encode_many([b"", b"\0", bytes(range(256)) * 100])
    with server.dial() as client:
        client.sendall(frames)
        assert read_exactly(client, len(frames)) == frames


def test_framing_options_are_obeyed(serve: Serve) -> None:
    server = serve("--varint", "--max-frame-length", "3")
    with server.dial() as client:
        client.sendall(b"\x03abc")
        assert read_exactly(client, 4) == b"\x03abc"
        client.sendall(b"\x04abcd")
        assert client.recv(1) == b""
    assert "max_frame_length is 3" in server.stop().err[0]


def test_a_client_that_reads_later_gets_everything(serve: Serve) -> None:
    """More than socket and write buffers hold: the server must stop reading, and nothing may be lost."""
    server = serve()
    frame = FRAMING.encode(b"x" * 100_000)
    with server.dial() as client:
        sent = send_until_nobody_takes_more(client, frame * 400)
        assert sent < 400 * len(frame), "the server reads without end"
        assert is_served(server)
        whole = sent // len(frame)
        assert read_exactly(client, whole * len(frame)) == frame * whole


def send_until_nobody_takes_more(client: socket.socket, data: bytes) -> int:
    """Return how much of it the server, and the kernel in between, took without being read from."""
    sent = 0
    while sent < len(data) and select.select([], [client], [], 1)[1]:
        sent += client.send(data[sent : sent + 65536], socket.MSG_DONTWAIT)
    return sent


def test_an_http_request_costs_one_line(serve: Serve) -> None:
    server = serve()
    with server.dial() as client:
        name = "{}:{}".format(*client.getsockname())
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1) == b""
    assert is_served(server)
    ended = server.stop()
    assert (ended.status, len(ended.err)) == (0, 1)
    assert ended.err[0].startswith(f"echo: {name}: body of 1195725856 bytes announced by header 47 45 54 20 'GET '")
    assert "this looks like HTTP" in ended.err[0]


def test_a_peer_that_hangs_up_inside_a_frame_costs_one_line(serve: Serve) -> None:
    server = serve()
    with server.dial() as client:
        name = "{}:{}".format(*client.getsockname())
        client.sendall(FRAMING.encode(b"hello")[:-1])
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert is_served(server)
    ended = server.stop()
    assert (ended.status, len(ended.err)) == (0, 1)
    assert ended.err[0].startswith(f"echo: {name}: stream ended inside a frame: 4 of 5 bytes of the body came")


def test_a_clean_end_costs_no_line(serve: Serve) -> None:
    server = serve()
    assert is_served(server)
    assert server.stop() == (0, [], [])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well_even_with_clients_connected(serve: Serve, signum: int) -> None:
    server = serve()
    with server.dial():
        assert is_served(server)
        assert server.stop(signum) == (0, [], [])


def test_a_name_may_stand_for_several_addresses(start: Callable[..., Any]) -> None:
    echo = start("echo", "localhost:0")
    first = echo.first_line()
    ended = echo.stop()
    assert (ended.status, ended.err) == (0, [])
    for line in [first, *ended.out]:
        assert re.fullmatch(r"echo: listening on (127\.0\.0\.1|\[::1\]):\d+", line)


def test_a_port_in_use_is_one_line_naming_it(listener_address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", listener_address]) == 1
    assert capsys.readouterr() == ("", f"echo: can't listen on {listener_address}: Address already in use\n")


def test_a_name_that_does_not_resolve_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "no-such-host.invalid:0"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("echo: can't resolve 'no-such-host.invalid': ")


def test_the_name_of_a_bad_peer_moves_no_terminal(tmp_path: Path) -> None:
    master, slave = os.openpty()
    command = [sys.executable, "-m", "reactor", "echo", f"unix:{tmp_path}/socket"]
    with open(master, "rb", buffering=0) as screen, socket.socket(socket.AF_UNIX) as peer:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave) as server:
            assert server.stdout is not None
            server.stdout.readline()
            peer.bind(f"{tmp_path}/\x1b[2Jpeer")
            peer.connect(f"{tmp_path}/socket")
            peer.sendall(b"\xff" * 4)
            assert peer.recv(1) == b""
            server.terminate()
        os.close(slave)
        assert screen.read(1000).startswith(f"echo: unix:{tmp_path}/\\x1b[2Jpeer: body of ".encode())
