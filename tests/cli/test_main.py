"""What holds for every command."""

from __future__ import annotations

import os
import platform
import selectors
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reactor
from reactor import Framing
from reactor.cli import main

COMMANDS = ["demo", "echo", "send", "dump", "bench", "serve", "vendor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert f"\n    {command} " in capsys.readouterr().out


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    listed = out.partition("COMMAND\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS, "a line each"


def test_the_version_tells_twin_selector_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    twin = "compiled" if reactor.EXTENSION else "pure"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    selector = selectors.DefaultSelector.__name__
    assert capsys.readouterr().out == f"reactor {reactor.__version__}, {twin} twin, {selector}, {python}\n"


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["nope"], "reactor: argument COMMAND: invalid choice: 'nope'"),
        (["echo", "localhost"], "echo: argument ADDRESS: 'localhost' has no port"),
        (["send", "unix:", "hello"], "send: argument ADDRESS: 'unix:' has no path behind unix:"),
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


CONSOLE_SCRIPT = "import sys\nfrom reactor.cli import main\nsys.exit(main())\n"
WITHOUT_TWINS = "import sys\nsys.modules['reactor.transport._stream_c'] = None\n"
NO_WORD = "reactor: REACTOR_EXTENSION is 'yes': 0 or false takes the pure twin, 1 or true the compiled one, "
NO_TWIN = "reactor: REACTOR_EXTENSION is '1', and a compiled twin can't be imported: "


@pytest.fixture(params=["python -m", "console script"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """How the command line is started."""
    if request.param == "python -m":
        return ["-m", "reactor"]
    (tmp_path / "reactor").write_text(CONSOLE_SCRIPT)
    return [str(tmp_path / "reactor")]


@pytest.mark.parametrize("args", [[], ["--version"], ["echo", "127.0.0.1:0"], ["-m", "reactor"]])
@pytest.mark.parametrize(("word", "complaint"), [("yes", NO_WORD), ("1", NO_TWIN)])
def test_a_wrong_reactor_extension_is_one_line_and_status_2(
    command: list[str], args: list[str], word: str, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TWINS)
    path = os.pathsep.join([str(tmp_path), str(Path(reactor.__file__).parents[1])])
    env = {**os.environ, "REACTOR_EXTENSION": word, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *command, *args], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(complaint)


def test_a_program_that_imports_the_package_is_given_the_exception(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("try:\n    import reactor\nexcept ValueError:\n    print('given')\n")
    env = {**os.environ, "REACTOR_EXTENSION": "yes", "PYTHONPATH": str(Path(reactor.__file__).parents[1])}
    for how in (["program.py"], ["-m", "program"]):
        done = subprocess.run([sys.executable, *how], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("given\n", "")


def test_ctrl_c_at_any_moment_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reactor.cli.echo.run", interrupt)
    assert main(["echo"]) == 1
    assert capsys.readouterr().err == "echo: interrupted\n"


SHORT: dict[str, list[str]] = {
    "dump": ["dump", "captured"],
    "demo": ["demo", "--seconds", "0.05", "--connections", "1"],
    "bench": ["bench", "--rounds", "1", "--seconds", "0.02", "--connections", "1"],
    "send": ["send", "localhost:1", "hello", "--timeout", "5"],
    "help": ["--help"],
    "complaint": ["nope"],
}
REDIRECTS = [">&-", "<&-", "2>&-", "<&- >&- 2>&-", "| head -1", "2>&1 | true", ">/dev/full"]


def shell(redirect: str, *args: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a shell does that redirects something."""
    line = shlex.join([sys.executable, "-W", "error", "-m", "reactor", *args])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} {redirect}"],
        capture_output=True,
        timeout=60,
        env={**os.environ, **env},
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.fixture
def captured(tmp_path: Path) -> str:
    """A file of many frames."""
    (tmp_path / "captured").write_bytes(Framing().encode_many([b"x" * 300] * 2_000))
    return str(tmp_path / "captured")


@pytest.mark.parametrize(
    ("command", "redirect"),
    [(command, redirect) for command in ("dump", "help") for redirect in REDIRECTS]
    + [(command, redirect) for command in ("demo", "send", "complaint") for redirect in (">&-", ">/dev/full")]
    + [("demo", "<&- >&- 2>&-"), ("bench", ">&-")],
)
def test_a_stream_that_is_closed_or_full_is_one_line_at_most(command: str, redirect: str, captured: str) -> None:
    done = shell(redirect, *(captured if each == "captured" else each for each in SHORT[command]))
    progress = (b"bench: warming up", b"bench: round ")
    lines = [line for line in done.stderr.splitlines() if not line.startswith(progress)]
    assert len(lines) <= 1
    if redirect in ("<&-", "2>&-"):
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout


def test_a_dump_of_a_closed_standard_input_says_so() -> None:
    done = shell("<&-", "dump")
    assert (done.returncode, done.stderr) == (1, b"dump: standard input is closed, and no FILE is named\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_an_output_that_is_not_utf8_spells_what_it_can_not_say(captured: str, encoding: str) -> None:
    done = shell("", "dump", captured, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "44 more" in done.stdout.decode(encoding)


def test_a_reader_that_has_seen_enough_is_no_traceback(serve: Callable[..., Any]) -> None:
    server = serve()
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody_reads:
        command = [sys.executable, "-m", "reactor", "send", server.address, "hello"]
        done = subprocess.run(command, stdout=nobody_reads, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
