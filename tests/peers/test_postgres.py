"""PostgreSQL's own server understands the example, and the presets read whatever it sends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until
from peers.conftest import Example, missing
from peers.servers import directory_of, free_port, identity, program, running, unprivileged

from reactor import FramedProtocol, FrameTooLarge, Framing, Reactor, presets

_BINARIES = "/usr/lib/postgresql/*/bin"
_STARTUP = b"\0\3\0\0user\0alice\0database\0postgres\0\0"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a server that trusts "alice", and "bob" with a password only."""
    initdb, postgres = program("initdb", _BINARIES), program("postgres", _BINARIES)
    if initdb is None or postgres is None:
        missing("PostgreSQL isn't installed: Debian's postgresql has it")
    user = unprivileged("postgres")
    with directory_of(user) as where:
        data = where / "data"
        make = [initdb, "-D", data, "-U", "alice", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/", **identity(user))
        (data / "pg_hba.conf").write_text(
            "host all alice 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        port = free_port()
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command = [postgres, "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
        with running(command, "ready to accept connections", user):
            yield port


def ask(example: Example, port: int, query: str, user: str = "alice") -> subprocess.CompletedProcess[str]:
    return example("postgres_client.py", "127.0.0.1", port, user, "postgres", query)


def test_the_example_prints_rows(example: Example, port: int) -> None:
    done = ask(example, port, "select n, repeat('ü', n), nullif(n, 2) from generate_series(1, 3) as n")
    assert (done.stdout, done.stderr, done.returncode) == ("1\tü\t1\n2\tüü\tNULL\n3\tüüü\t3\n", "", 0)


def test_the_example_reads_a_large_answer(example: Example, port: int) -> None:
    done = ask(example, port, "select repeat('x', 3000000) from generate_series(1, 2)")
    assert done.stdout == 2 * ("x" * 3_000_000 + "\n")


@pytest.mark.parametrize(
    ("user", "query", "told"),
    [
        ("alice", "select", ""),
        ("alice", "", ""),
        ("alice", "selekt", 'ERROR: syntax error at or near "selekt"'),
        ("bob", "select 1", "the server wants a password"),
        ("", "select 1", "FATAL: no PostgreSQL user name specified in startup packet"),
    ],
)
def test_the_example_says_what_was_wrong(example: Example, port: int, user: str, query: str, told: str) -> None:
    done = ask(example, port, query, user)
    assert done.returncode == bool(told)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_says_that_nobody_listens(example: Example) -> None:
    assert "Connection refused" in ask(example, 1, "select 1").stderr


class Client(FramedProtocol):
    """Asks for TLS first; what answers that is one byte. Keeps the type and the size of all that comes then."""

    framing = presets.postgres_startup()

    def __init__(self, *queries: bytes) -> None:
        self.queries = list(queries)
        self.answer = b""
        self.messages: list[tuple[bytes, int]] = []
        self.lost: BaseException | None = None
        self.ended = False

    def connection_made(self, transport: Any) -> None:
        self.send(b"\x04\xd2\x16\x2f")
        self.framing = Framing.fixed(1)

    def message_received(self, message: bytes) -> None:
        if self.framing.fixed_length:
            self.answer = message
            self.transport.write(presets.postgres_startup().encode(_STARTUP))
            self.framing = presets.postgres()
            return
        kind = self.decoder.header[:1]
        self.messages.append((kind, len(message)))
        if kind == b"Z" and self.queries:
            self.send(self.queries.pop(0) + b"\0", prefix=b"Q")
        elif kind == b"Z":
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost, self.ended = exc, True


@pytest.fixture
def talk(net: Reactor, port: int, twin: ModuleType) -> Any:
    def talk(client: Client) -> Client:
        net.connect_tcp(lambda: client, "127.0.0.1", port)
        run_until(net, lambda: client.ended)
        return client

    return talk


def test_one_byte_answers_the_wish_for_tls_and_messages_follow(talk: Any) -> None:
    client = talk(Client(b"select 1", b"select repeat('x', 5000000)"))
    assert client.answer == b"N"
    assert client.lost is None
    kinds = b"".join(kind for kind, _ in client.messages)
    assert kinds.startswith(b"RS")
    assert kinds.endswith(b"ZTDCZTDCZ")
    assert (b"D", 2 + 4 + 5_000_000) in client.messages


def test_a_query_of_some_mebibytes_is_taken(talk: Any) -> None:
    client = talk(Client(b"select length('%s')" % (b"x" * 5_000_000)))
    assert (b"D", 2 + 4 + len("5000000")) in client.messages


def test_a_row_over_the_limit_is_told_with_the_option(talk: Any) -> None:
    client = talk(Client(b"select repeat('x', %d)" % (65 << 20)))
    assert isinstance(client.lost, FrameTooLarge)
    assert "max_frame_length is 67108864" in str(client.lost)
    assert client.lost.header[:1] == b"D"
