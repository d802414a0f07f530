"""serve: its arguments; what the workers do is tested in tests/workers."""

from __future__ import annotations

import pytest

from reactor.cli import main


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["app", "--bind", "127.0.0.1:0"], "serve: 'app' names no app: MODULE:FUNCTION is needed"),
        (["app:setup"], "serve: bind is empty, and no socket was handed over by LISTEN_FDS"),
        (["app:setup", "--bind", "127.0.0.1"], "serve: '127.0.0.1' has no port"),
        (["app:setup", "--bind", "fd://x"], "serve: 'fd://x' has no number behind fd://"),
        (["app:setup", "--bind", "127.0.0.1:0", "--user", "nobody-there"], "serve: user is 'nobody-there'"),
    ],
)
def test_arguments_that_make_no_sense_are_a_line(
    capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    assert main(["serve", *args]) == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("option", [["--workers", "0"], ["--workers", "x"], ["--grace", "-1"], ["--bind"]])
def test_options_are_checked(capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "app:setup", *option])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("serve: argument ")
