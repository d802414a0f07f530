"""examples/key_value_store.py, talked to by its client and by plain sockets."""

from __future__ import annotations

import runpy
import socket
from collections.abc import Iterator

import pytest
from conftest import TWINS
from example_programs import EXAMPLES, Program, ended, frame, read_message, run

GET, SET, DELETE = 1, 2, 3
OK, MISSING, FULL, BAD = b"\1", b"\2", b"\3", b"\4"


def request(what: int, key: bytes, value: bytes = b"") -> bytes:
    return frame(bytes([what, len(key)]) + key + value)


@pytest.fixture(scope="module", params=TWINS)
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    with Program(request.param, "key_value_store.py", "127.0.0.1", 0) as server:
        yield server


def test_the_client_is_told_what_the_store_has(server: Program) -> None:
    words = ["set colour dark red", "get colour", "delete colour", "get colour", "delete colour"]
    done = run(server.twin, "key_value_client.py", *server.address, *words)
    told = ["OK ", "OK dark red", "OK ", "MISSING ", "MISSING "]
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (told, "", 0)


def test_answers_come_in_the_order_of_the_requests_for_everybody(server: Program) -> None:
    numbers = [b"%d" % number for number in range(500)]
    with server.connect() as one, server.connect() as other:
        one.sendall(b"".join(request(SET, each, each * 50) + request(GET, each) for each in numbers))
        assert [read_message(one) for _ in range(1000)] == [each for n in numbers for each in (OK, OK + n * 50)]
        other.sendall(request(GET, b"7") + request(DELETE, b"7") + request(GET, b"7"))
        assert [read_message(other) for _ in range(3)] == [OK + b"7" * 50, OK, MISSING]


def test_what_is_no_request_is_answered_so_and_the_next_one_is_answered_well(server: Program) -> None:
    with server.connect() as sock:
        for bad in (b"", b"\1", b"\x09\0", b"\1\5key"):
            sock.sendall(frame(bad) + request(GET, b"nothing"))
            assert [read_message(sock), read_message(sock)] == [BAD, MISSING]


def test_what_is_no_frame_ends_its_sender_with_one_line(server: Program) -> None:
    with server.connect() as sock, server.connect() as neighbour:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert ended(sock)
        assert "max_frame_length" in server.complains()
        neighbour.sendall(request(SET, b"key", b"value"))
        assert read_message(neighbour) == OK


def test_on_sigterm_what_has_begun_is_answered(server: Program) -> None:
    with server.connect() as sock:
        sock.sendall(request(GET, b"missing") + request(SET, b"key", b"value")[:8])
        assert read_message(sock) == MISSING
        server.drain()
        sock.sendall(request(SET, b"key", b"value")[8:])
        assert read_message(sock) == OK
        assert ended(sock)
        assert server.stop(None) == ("", "")


def test_a_store_that_is_full_keeps_what_it_has() -> None:
    example = runpy.run_path(str(EXAMPLES / "key_value_store.py"))
    store, verdict = example["Store"](), example["Verdict"]
    store.taken = example["MEMORY"] - example["ENTRY"] - 10
    assert store.put(b"key", b"1234567") == verdict.OK
    assert store.put(b"key", b"12345678") == verdict.FULL
    assert store.put(b"more", b"") == verdict.FULL
    assert store.answer(b"\1\3key") == (verdict.OK, b"1234567")
    assert store.answer(b"\3\3key") == (verdict.OK, b"")
    assert store.put(b"else", b"123456") == verdict.OK
    assert store.taken == example["MEMORY"]


def test_the_client_says_what_was_wrong() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = run("py", "key_value_client.py", "127.0.0.1", port, "get key")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    done = run("py", "key_value_client.py", "127.0.0.1", port, "fetch key")
    assert (done.stderr, done.returncode) == (
        "key_value_client: a request is get KEY, set KEY VALUE or delete KEY\n",
        1,
    )


def test_the_client_is_told_what_is_lost_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    told: list[object] = []
    client = runpy.run_path(str(EXAMPLES / "key_value_client.py"))["Client"](print, told.append)
    for _ in range(2):
        client.waiting.append(lambda *answer: told.append(answer))
    client.connection_lost(None)
    assert told[:2] == [(None, b"the server ended the connection")] * 2
    assert list(map(str, told[2:])) == ["the server ended the connection"]
