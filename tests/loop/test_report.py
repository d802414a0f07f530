"""What the log says of a report that nobody else was given."""

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
