"""examples/file_receiver.py, given files by examples/send_file.py and by plain sockets."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TWINS
from example_programs import Program, ended, frame, read_message, run

LARGE = random.Random(1).randbytes(300_000)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("received")


@pytest.fixture(scope="module", params=TWINS)
def server(request: pytest.FixtureRequest, where: Path) -> Iterator[Program]:
    with Program(request.param, "file_receiver.py", "127.0.0.1", 0, where) as server:
        yield server


def kept_as(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def told(content: bytes) -> bytes:
    return f"{kept_as(content)}: {len(content)} bytes came".encode()


def test_what_send_file_sends_is_kept(server: Program, where: Path, tmp_path: Path) -> None:
    for content in (b"", LARGE):
        (tmp_path / "file").write_bytes(content)
        done = run(server.twin, "send_file.py", "send", *server.address, tmp_path / "file")
        assert (done.stdout, done.stderr, done.returncode) == (told(content).decode() + "\n", "", 0)
        assert (where / kept_as(content)).read_bytes() == content


def test_files_of_several_come_at_once_and_several_of_one(server: Program, where: Path) -> None:
    files = [LARGE[:count] for count in (1, 65_536, 65_537, 200_000)]
    with server.connect() as one, server.connect() as other:
        one.sendall(frame(LARGE, 8)[:100_000])
        for file in files:
            other.sendall(frame(file, 8))
        assert [read_message(other, 8) for _ in files] == list(map(told, files))
        one.sendall(frame(LARGE, 8)[100_000:])
        assert read_message(one, 8) == told(LARGE)
    assert all((where / kept_as(file)).read_bytes() == file for file in files)


def test_of_half_a_file_nothing_is_left_but_a_line(server: Program, where: Path) -> None:
    with server.connect() as sock:
        sock.sendall(frame(b"", 8) + frame(LARGE, 8)[:100_000])
        assert read_message(sock, 8) == told(b"")
    assert "stream ended inside a frame" in server.complains()
    assert not any(each.name.startswith(".") for each in where.iterdir())


def test_who_announces_too_much_is_refused_with_its_first_bytes(server: Program) -> None:
    with server.connect() as sock:
        sock.sendall((1 << 62).to_bytes(8, "big") + b"x")
        assert (
            read_message(sock, 8)
            == b"refused: a file of 4611686018427387904 bytes is too large, 4294967296 are allowed"
        )
        assert ended(sock)


def test_on_sigterm_a_file_that_has_begun_comes_to_its_end(server: Program, where: Path) -> None:
    file = LARGE[::-1]
    with server.connect() as sock:
        sock.sendall(frame(b"", 8) + frame(file, 8)[:100_000])
        assert read_message(sock, 8) == told(b"")
        server.drain()
        sock.sendall(frame(file, 8)[100_000:])
        assert read_message(sock, 8) == told(file)
        assert ended(sock)
    assert server.stop(None) == ("", "")
    assert (where / kept_as(file)).read_bytes() == file
