"""examples/dns_server.py, asked by plain sockets; tests/peers/test_dns_server.py has dig and kdig ask it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from conftest import TWINS
from example_programs import PATIENCE, Program, ended, frame, read_message


@pytest.fixture(scope="module", params=TWINS)
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    with Program(request.param, "dns_server.py", "127.0.0.1", 0) as server:
        yield server


def question(number: int, kind: int = 1) -> bytes:
    name = b"%d" % number
    return struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + frame(name, 1) + b"\7example\0" + struct.pack(">HH", kind, 1)


def test_an_address_comes_both_ways_and_what_is_long_comes_over_tcp(server: Program) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, server.connect() as stream:
        sock.connect(server.address)
        sock.settimeout(PATIENCE)
        sock.send(question(258))
        assert sock.recv(512)[-4:] == bytes([10, 0, 1, 2])
        sock.send(question(300, kind=16))
        cut = sock.recv(512)
        assert (cut[2] & 2, len(cut)) == (2, len(question(300)))
        stream.sendall(frame(question(258), 2) + frame(question(300, kind=16), 2))
        assert read_message(stream, 2)[-4:] == bytes([10, 0, 1, 2])
        assert read_message(stream, 2).endswith(b"\x08line 299")


def test_what_is_no_question_over_tcp_ends_who_asks_with_one_line(server: Program) -> None:
    with server.connect() as sock, server.connect() as neighbour:
        sock.sendall(frame(b"\xff" * 20, 2))
        assert ended(sock)
        assert server.complains().startswith(f"{sock.getsockname()}: no question: ")
        neighbour.sendall(frame(question(1), 2))
        assert read_message(neighbour, 2)[-4:] == bytes([10, 0, 0, 1])


def test_on_sigterm_a_question_that_has_begun_is_answered(server: Program) -> None:
    with server.connect() as sock:
        sock.sendall(frame(question(1), 2) + frame(question(2), 2)[:9])
        assert read_message(sock, 2)[-1:] == b"\1"
        server.drain()
        sock.sendall(frame(question(2), 2)[9:])
        assert read_message(sock, 2)[-1:] == b"\2"
        assert ended(sock)
        assert server.stop(None) == ("", "")
