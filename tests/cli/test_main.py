"""What holds for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from reactor.cli import main

COMMANDS = ["demo", "echo", "send"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert f"\n    {command} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ([], "reactor: the following arguments are required: COMMAND"),
        (["nope"], "reactor: argument COMMAND: invalid choice: 'nope'"),
        (["echo", "localhost"], "echo: argument HOST:PORT: 'localhost' has no port"),
        (["send", "unix:/tmp/x", "hello"], "send: argument HOST:PORT: 'unix:/tmp/x' is a Unix socket"),
        (["send", "localhost:1"], "send: the following arguments are required: MESSAGE"),
        (
            ["send", "localhost:1", "hello", "--timeout", "soon"],
            "send: argument --timeout: invalid seconds value: 'soon'",
        ),
        (["demo", "--connections", "0"], "demo: argument --connections: 0 is out of range: 1 to 10000"),
        (["demo", "--seconds", "nan"], "demo: argument --seconds: nan is not a duration"),
    ],
)
def test_bad_arguments_get_one_line_and_status_2(
    args: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(args)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(complaint)


@pytest.mark.parametrize("args", [["demo"], ["echo"], ["send", "localhost:1", "hello"]])
def test_bad_framing_gets_one_line_and_status_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*args, "--length-field-length", "9"]) == 2
    assert capsys.readouterr() == ("", f"{args[0]}: length_field_length is 9, it must be an int, 1 to 8\n")


def test_ctrl_c_at_any_moment_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reactor.cli.echo.run", interrupt)
    assert main(["echo"]) == 1
    assert capsys.readouterr().err == "echo: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_traceback(serve: Callable[..., Any]) -> None:
    server = serve()
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody_reads:
        command = [sys.executable, "-m", "reactor", "send", server.address, "hello"]
        done = subprocess.run(command, stdout=nobody_reads, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
