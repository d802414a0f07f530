"""Limits: judged when they are built."""

from dataclasses import FrozenInstanceError

import pytest

from reactor import Limits


@pytest.mark.parametrize(
    "bad",
    [
        {"idle_timeout": 0},
        {"connect_timeout": -1},
        {"frame_timeout": "5"},
        {"write_timeout": True},
        {"max_connections": 0},
        {"max_per_peer": 1.5},
        {"max_write_buffer": -1},
        {"high_water": -1},
        {"low_water": None},
        {"overflow": "ignore"},
    ],
)
def test_a_bad_limit_is_refused_by_name(bad: dict[str, object]) -> None:
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        Limits(**bad)  # type: ignore[arg-type]


def test_water_marks_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="low_water"):
        Limits(high_water=10, low_water=11)


def test_limits_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Limits().high_water = 1  # type: ignore[misc]


def test_none_stands_for_no_bound() -> None:
    assert Limits(close_timeout=None, max_write_buffer=None, max_connections=None).close_timeout is None
