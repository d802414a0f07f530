"""demo: a table if all is well, else one line; and nothing stays behind."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.cli import main
from reactor.cli.load import Client

SHORT = ["--seconds", "0.3", "--connections", "5"]
ROWS = ["messages", "MiB", "messages/s", "round trip p50", "round trip p99", "twin", "selector", "python"]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: what the user sees, what the command writes to."""
    user, command = os.openpty()
    yield user, command
    os.close(user)
    os.close(command)


def test_it_prints_an_aligned_table(run: Callable[..., Any]) -> None:
    ended = run("demo", *SHORT)
    assert (ended.status, ended.err) == (0, [])
    assert [line[: len("round trip p50")].strip() for line in ended.out] == ROWS
    assert len({len(line) for line in ended.out}) == 1


def test_a_machine_reads_one_object(run: Callable[..., Any]) -> None:
    ended = run("demo", *SHORT, "--json")
    assert (ended.status, ended.err) == (0, [])
    found = json.loads("".join(ended.out))
    assert found["messages"] > 0
    assert found["round_trip_p50"] <= found["round_trip_p99"] < found["seconds"]


@pytest.mark.parametrize(
    "options",
    [
        ["--varint"],
        ["--length-field-length", "1"],
        ["--length-field-length", "8", "--byteorder", "little", "--limit", "0"],
        ["--limit", "3000000"],
    ],
)
def test_other_framings_come_back_too(options: list[str], run: Callable[..., Any]) -> None:
    ended = run("demo", "--seconds", "0", "--connections", "2", *options)
    assert (ended.status, ended.err) == (0, [])


@pytest.mark.parametrize(("mode", "name"), [("0", "pure"), ("", "compiled")])
def test_it_tells_which_twin_it_ran(
    mode: str, name: str, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode == "" and "reactor.framing._codec_c" not in sys.modules:
        pytest.skip("the compiled twin is not here")
    monkeypatch.setenv("REACTOR_EXTENSION", mode)
    ended = run("demo", "--seconds", "0", "--connections", "1")
    assert ended.out[ROWS.index("twin")].split() == ["twin", name]


def test_an_echo_that_differs_fails_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    genuine = Client.message_received
    monkeypatch.setattr(Client, "message_received", lambda self, message: genuine(self, message + b"!"))
    assert main(["demo", *SHORT]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "an echo differs from its message: 1 bytes for one of 0" in err


def test_a_server_that_does_not_start_fails_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert main(["demo", *SHORT]) == 1
    assert capsys.readouterr() == ("", "demo: the server didn't start\n")


def test_a_limit_that_no_frame_can_hold_is_the_user_s_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--limit", "256", "--length-field-length", "1"]) == 2
    assert capsys.readouterr() == ("", "demo: --limit is 256, but a frame holds at most 255 bytes\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_server_behind(signum: int, terminal: tuple[int, int]) -> None:
    user, stderr = terminal
    command = [sys.executable, "-m", "reactor", "demo", "--seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as demo:
        progress = read_until(user, b" MiB")
        (server,) = children_of(demo.pid)
        demo.send_signal(signum)
        out, _ = demo.communicate(timeout=60)
    progress += read_until(user, b"interrupted\r\n")
    assert (demo.returncode, out) == (1, "")
    assert progress.endswith(b"\r\x1b[Kdemo: interrupted\r\n")
    assert not is_alive(server)


def read_until(fd: int, text: bytes) -> bytes:
    found = b""
    while text not in found:
        assert select.select([fd], [], [], 60)[0], f"{text!r} never came"
        found += os.read(fd, 1024)
    return found
