"""What the log says of a report that nobody else was given."""

import logging
from collections.abc import Iterator

import pytest

from reactor.loop.report import log_context


class HalfMade:
    def __repr__(self) -> str:
        raise AttributeError("not made yet")


def test_the_message_and_what_else_is_known_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    log_context({"message": "something happened", "exception": None, "fileobj": 7})
    assert [each.getMessage() for each in caplog.records] == ["something happened; fileobj: 7"]


def test_an_exception_comes_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("the reason")
    except ValueError as exc:
        log_context({"message": "it failed", "exception": exc})
    assert "ValueError: the reason" in caplog.text
    assert "test_report.py" in caplog.text


def test_an_object_that_can_not_be_shown_is_named(caplog: pytest.LogCaptureFixture) -> None:
    log_context({"message": "it failed", "protocol": HalfMade()})
    assert "<HalfMade whose repr raises AttributeError>" in caplog.text


def test_a_report_without_a_message_is_still_a_report(caplog: pytest.LogCaptureFixture) -> None:
    log_context({})
    assert [each.getMessage() for each in caplog.records] == ["unhandled report"]


class Full(logging.Handler):
    """A handler whose disk is full, and which doesn't take that for its own affair."""

    def __init__(self, raises: BaseException) -> None:
        super().__init__()
        self._raises = raises

    def emit(self, record: logging.LogRecord) -> None:
        raise self._raises


@pytest.fixture
def full(request: pytest.FixtureRequest) -> Iterator[BaseException]:
    handler = Full(request.param)
    logging.getLogger().addHandler(handler)
    yield request.param
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("full", [OSError(28, "No space left"), GeneratorExit("odd")], indirect=True)
def test_what_a_logging_handler_raises_goes_to_stderr(full: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    log_context({"message": "it failed"})
    assert type(full).__name__ in capsys.readouterr().err


@pytest.mark.parametrize("full", [OSError(28, "No space left")], indirect=True)
def test_a_log_that_can_not_be_written_is_no_reason_to_end(
    full: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    log_context({"message": "it failed"})


@pytest.mark.parametrize("full", [KeyboardInterrupt(), SystemExit(3)], indirect=True)
def test_what_ends_the_program_comes_out_of_a_logging_handler(full: BaseException) -> None:
    with pytest.raises(type(full)):
        log_context({"message": "it failed"})
