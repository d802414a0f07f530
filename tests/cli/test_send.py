"""send: one answer for each message, or one line that says why not."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor import Framing
from reactor.cli import main

FRAMING = Framing()
Run = Callable[..., Any]


def accept(listener: socket.socket, request: bytes) -> socket.socket:
    """Take the command's connection, and its messages."""
    peer, _ = listener.accept()
    peer.settimeout(60)
    found = b""
    while found != request:
        chunk = peer.recv(len(request) - len(found))
        assert chunk
        found += chunk
    return peer


def test_every_answer_gets_a_line(serve: Run, run: Run) -> None:
    assert run("send", serve().address, "hello", "", "wörld") == (0, ["hello", "", "wörld"], [])


def test_framing_options_are_obeyed(serve: Run, run: Run) -> None:
    options = ["--length-field-length", "3", "--byteorder", "little"]
    assert run("send", serve(*options).address, "hello", *options) == (0, ["hello"], [])


def test_bytes_that_are_no_text_are_shown_as_escapes(
    listener: socket.socket, listener_address: str, start: Run
) -> None:
    command = start("send", listener_address, "hello")
    with accept(listener, FRAMING.encode(b"hello")) as peer:
        peer.sendall(FRAMING.encode(b"caf\xe9"))
        assert command.wait() == (0, ["caf\\xe9"], [])


def test_an_output_that_can_t_say_it_gets_escapes(serve: Run, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run("send", serve().address, "wörld") == (0, ["w\\xf6rld"], [])


def test_the_exchange_is_over_with_the_last_answer(listener: socket.socket, listener_address: str, start: Run) -> None:
    command = start("send", listener_address, "a", "b")
    with accept(listener, FRAMING.encode_many([b"a", b"b"])) as peer:
        peer.sendall(FRAMING.encode_many([b"1", b"2", b"3"]))
        assert command.wait() == (0, ["1", "2"], [])


def test_a_refused_connection_is_one_line(listener: socket.socket, listener_address: str, run: Run) -> None:
    listener.close()
    text = f"send: can't connect to {listener_address}: Connection refused"
    assert run("send", listener_address, "hello") == (1, [], [text])


def test_a_name_that_does_not_resolve_is_one_line(run: Run) -> None:
    ended = run("send", "no-such-host.invalid:9000", "hello")
    assert (ended.status, ended.out, len(ended.err)) == (1, [], 1)
    assert ended.err[0].startswith("send: can't resolve 'no-such-host.invalid': ")


def test_a_peer_that_closes_early_is_one_line_below_its_answers(
    listener: socket.socket, listener_address: str, start: Run
) -> None:
    command = start("send", listener_address, "a", "b")
    with accept(listener, FRAMING.encode_many([b"a", b"b"])) as peer:
        peer.sendall(FRAMING.encode(b"1"))
    assert command.wait() == (1, ["1"], ["send: the peer closed the connection; 1 of 2 answers came"])


def test_a_peer_that_speaks_something_else_is_one_line(
    listener: socket.socket, listener_address: str, start: Run
) -> None:
    command = start("send", listener_address, "hello")
    with accept(listener, FRAMING.encode(b"hello")) as peer:
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        ended = command.wait()
    assert (ended.status, ended.out, len(ended.err)) == (1, [], 1)
    assert ended.err[0].startswith("send: body of 1213486160 bytes announced by header 48 54 54 50 'HTTP'")
    assert ended.err[0].endswith("this looks like HTTP: is the peer at the wrong port?; 0 of 1 answers came")


def test_a_peer_that_never_answers_is_not_waited_for_forever(listener_address: str, run: Run) -> None:
    text = "send: timeout after 0.2 s; 0 of 1 answers came"
    assert run("send", listener_address, "hello", "--timeout", "0.2") == (1, [], [text])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let commands hear SIGINT, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_one_line(listener: socket.socket, listener_address: str, start: Run) -> None:
    command = start("send", listener_address, "hello")
    with accept(listener, FRAMING.encode(b"hello")):
        assert command.stop(signal.SIGINT) == (1, [], ["send: interrupted; 0 of 1 answers came"])


def test_datagrams_come_back_one_by_one(start: Run, run: Run) -> None:
    echo = start("echo", "udp:127.0.0.1:0")
    where = echo.first_line().removeprefix("echo: listening on ")
    assert where.startswith("udp:127.0.0.1:")
    assert run("send", where, "hello", "", "wörld") == (0, ["hello", "", "wörld"], [])
    assert echo.stop() == (0, [], [])


def test_a_datagram_that_nobody_takes_is_one_line(run: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    ended = run("send", f"udp:127.0.0.1:{port}", "hello")
    assert (ended.status, ended.out, len(ended.err)) == (1, [], 1)
    assert ended.err[0].endswith("Connection refused; 0 of 1 answers came")


@pytest.mark.parametrize("command", [["echo"], ["send"]])
def test_framing_means_nothing_over_udp(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    more = ["hello"] if command == ["send"] else []
    assert main([*command, "udp:127.0.0.1:9", *more, "--varint"]) == 2
    assert "a message is a datagram" in capsys.readouterr().err


def test_a_message_that_no_frame_can_hold_is_the_user_s_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", "localhost:1", "x" * 256, "--length-field-length", "1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("send: body of 256 bytes to send needs a length of 256")


def test_a_unix_socket_is_an_address_to_both_ends(tmp_path: Path, start: Run, run: Run) -> None:
    where = f"unix:{tmp_path}/socket"
    server = start("echo", where)
    assert server.first_line() == f"echo: listening on {where}"
    assert run("send", where, "hello") == (0, ["hello"], [])


def test_whatever_echo_says_it_listens_on_send_takes(start: Run, run: Run) -> None:
    for where in ("localhost:0", "0.0.0.0:0", ":0"):
        said = start("echo", where).first_line().removeprefix("echo: listening on ")
        assert run("send", said, "hello") == (0, ["hello"], [])


@pytest.mark.parametrize("kind", ["", "udp:"])
def test_an_address_without_a_host_is_one_to_both_ends(kind: str, start: Run, run: Run) -> None:
    port = start("echo", f"{kind}:0").first_line().rpartition(":")[2]
    assert run("send", f"{kind}:{port}", "hello") == (0, ["hello"], [])
