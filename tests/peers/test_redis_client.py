"""examples/redis_client.py, and the server that everybody has."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from conftest import TWINS
from example_programs import EXAMPLES, PATIENCE, environ_of, read
from peers.conftest import Example, missing
from peers.servers import directory_of, free_port, program, running, unprivileged


@pytest.fixture(scope="module", autouse=True)
def hiredis() -> None:
    if importlib.util.find_spec("hiredis") is None:
        missing('hiredis isn\'t installed: pip install "hiredis>=3" has it')


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a server that keeps nothing."""
    redis = program("redis-server", "/usr/bin")
    if redis is None:
        missing("Redis isn't installed: Debian's redis-server has it")
    user = unprivileged("nobody")
    with directory_of(user) as where:
        port = free_port()
        command = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(where)]
        with running(command, None, user):
            until_it_answers(port)
            yield port


def until_it_answers(port: int) -> None:
    while True:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.sendall(b"PING\r\n")
            assert read(sock, 7) == b"+PONG\r\n"
            return


def test_replies_come_in_the_order_of_the_commands(example: Example, port: int) -> None:
    numbers = [f"set key:{number} {number}" for number in range(200)] + [f"get key:{number}" for number in range(200)]
    done = example("redis_client.py", "127.0.0.1", port, *numbers)
    told = ["OK"] * 200 + list(map(str, range(200)))
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (told, "", 0)


def test_replies_of_every_kind_are_told_and_an_error_is_one_of_them(example: Example, port: int) -> None:
    asked = ["del list", "rpush list a 'b c' ünd", "lrange list 0 -1", "get nothing", "get list"]
    asked += [f"set large {'x' * 100_000}", "get large"]
    done = example("redis_client.py", "127.0.0.1", port, *asked)
    replies = done.stdout.splitlines()
    assert replies[1:4] == ["3", "['a', 'b c', 'ünd']", "None"]
    assert replies[4].startswith("WRONGTYPE ")
    assert replies[5:] == ["OK", "x" * 100_000]
    assert (done.stderr, done.returncode) == ("", 0)


@contextmanager
def subscriber(twin: str, port: int, *commands: str) -> Iterator[subprocess.Popen[str]]:
    command, pipe = [sys.executable, "-W", "error", str(EXAMPLES / "redis_client.py")], subprocess.PIPE
    words = [*command, "127.0.0.1", str(port), *commands]
    with subprocess.Popen(words, env=environ_of(twin), stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("twin", TWINS)
def test_what_is_published_comes_between_replies_until_sigterm(port: int, twin: str) -> None:
    with subscriber(twin, port, "subscribe news", "echo between") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["subscribe news 1\n", "between\n"]
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as other:
            other.sendall(b"PUBLISH news hello\r\n")
            assert read(other, 4) == b":1\r\n"
        assert process.stdout.readline() == "message news hello\n"
        process.terminate()
        assert (process.communicate(timeout=PATIENCE), process.returncode) == (("", ""), 0)


def test_what_is_wrong_with_the_server_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        assert told(listener, port, b"+OK\r\n+first\r\nnonsense") == ("first\n", 'got "n" as reply type byte')
        assert told(listener, port, b"+OK\r\n+first\r\n+se") == ("first\n", "1 commands have no reply")


def told(listener: socket.socket, port: int, replies: bytes) -> tuple[str, str]:
    """Have a server say something, and end; return what the client says, and the end of its complaint."""
    with subscriber("py", port, "echo first", "echo second") as process:
        with listener.accept()[0] as server:
            asked = server.recv(1000)
            assert asked.count(b"echo") == 2, "all leave in one write"
            server.sendall(replies)
        said, complained = process.communicate(timeout=PATIENCE)
    assert (process.returncode, complained.count("\n")) == (1, 1)
    return said, complained.removesuffix("\n").rpartition(", ")[2]
