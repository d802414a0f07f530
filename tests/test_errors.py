"""The exception tree: what a handler decides by."""

import pickle

import pytest

from reactor import (
    ConnectionTimeout,
    FrameCorrupt,
    FrameTooLarge,
    FrameTruncated,
    FramingError,
    ReactorError,
    WriteBufferFull,
)


@pytest.mark.parametrize("kind", [FrameTooLarge, FrameCorrupt, FrameTruncated])
def test_framing_errors_are_value_errors_of_one_family(kind: type[FramingError]) -> None:
    assert issubclass(kind, FramingError)
    assert issubclass(FramingError, (ReactorError, ValueError))
    assert issubclass(FramingError, ValueError)


def test_a_timeout_is_a_timeout_error_too() -> None:
    assert issubclass(ConnectionTimeout, TimeoutError)
    assert issubclass(ConnectionTimeout, ReactorError)
    assert issubclass(WriteBufferFull, ReactorError)


def test_a_framing_error_survives_pickling_with_its_facts() -> None:
    error = pickle.loads(pickle.dumps(FrameTooLarge("text", 7, 5, b"\0\7", 3)))
    assert (str(error), error.length, error.limit, error.header, error.stream_offset) == ("text", 7, 5, b"\0\7", 3)
