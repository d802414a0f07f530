"""Options that commands share: text to checked values, and framing back to text."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

import pytest

from reactor import Framing, Limits
from reactor.cli.failure import MISUSED, Failure
from reactor.cli.options import (
    add_framing,
    address,
    between,
    framing_arguments,
    framing_from,
    largest_message,
    limits_for,
    seconds,
)
from reactor.transport.address import UnixAddress

FRAMINGS = [
    ([], Framing()),
    (["--length-field-length", "2"], Framing(2)),
    (["--byteorder", "little"], Framing(byteorder="little")),
    (["--length-field-length", "8", "--byteorder", "big", "--max-frame-length", "7"], Framing(8, max_frame_length=7)),
    (["--max-frame-length", "0"], Framing(max_frame_length=0)),
    (["--varint"], Framing.varint()),
    (["--varint", "--max-frame-length", "99"], Framing.varint(max_frame_length=99)),
]


def parse(*args: str) -> Namespace:
    parser = ArgumentParser()
    add_framing(parser)
    return parser.parse_args(args)


@pytest.mark.parametrize(("args", "framing"), FRAMINGS)
def test_the_options_describe_a_framing(args: list[str], framing: Framing) -> None:
    assert framing_from(parse(*args)) == framing


@pytest.mark.parametrize("framing", [framing for _, framing in FRAMINGS])
def test_a_framing_written_as_arguments_is_read_back(framing: Framing) -> None:
    assert framing_from(parse(*framing_arguments(framing))) == framing


def test_a_command_s_own_limit_counts_where_none_is_given() -> None:
    assert framing_from(parse(), max_frame_length=5) == Framing(max_frame_length=5)
    assert framing_from(parse("--max-frame-length", "6"), max_frame_length=5) == Framing(max_frame_length=6)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--length-field-length", "0"], "length_field_length is 0"),
        (["--length-field-length", "9"], "length_field_length is 9"),
        (["--max-frame-length", "-1"], "max_frame_length is -1"),
        (["--varint", "--max-frame-length", "-1"], "max_frame_length is -1"),
        (["--varint", "--length-field-length", "4"], "--varint has neither --length-field-length nor --byteorder"),
        (["--varint", "--byteorder", "big"], "--varint has neither --length-field-length nor --byteorder"),
    ],
)
def test_a_framing_that_can_t_be_is_the_user_s_mistake(args: list[str], text: str) -> None:
    with pytest.raises(Failure, match=text) as caught:
        framing_from(parse(*args))
    assert caught.value.status == MISUSED


def test_the_largest_message_is_what_limit_and_length_field_both_allow() -> None:
    assert largest_message(Framing(max_frame_length=1000)) == 1000
    assert largest_message(Framing(1, max_frame_length=1000)) == 255


def test_two_of_the_largest_messages_may_wait() -> None:
    assert limits_for(Framing()) == Limits()
    wide = limits_for(Framing(max_frame_length=1 << 30)).max_write_buffer
    assert wide is not None
    assert wide > 2 << 30


def test_a_field_that_holds_little_needs_no_wide_limits() -> None:
    assert limits_for(Framing(2, max_frame_length=1 << 30)) == Limits()


def test_addresses_are_read() -> None:
    assert address("localhost:9000") == ("localhost", 9000)
    assert address("[::1]:0") == ("::1", 0)
    assert address("unix:/tmp/x") == UnixAddress("/tmp/x")


@pytest.mark.parametrize("text", ["localhost", "localhost:http", "::1:9000", "127.0.0.1:65536", "unix:"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=text):
        address(text)


def test_durations_are_read() -> None:
    assert seconds("0") == 0
    assert seconds("2.5") == 2.5


@pytest.mark.parametrize("text", ["-1", "nan", "inf"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=text):
        seconds(text)


def test_a_range_includes_both_ends() -> None:
    assert [between(1, 3)(text) for text in ("1", "3")] == [1, 3]


@pytest.mark.parametrize("text", ["0", "4"])
def test_what_is_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="out of range: 1 to 3"):
        between(1, 3)(text)
