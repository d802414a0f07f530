"""Limits: judged when they are built."""

from dataclasses import FrozenInstanceError

import pytest

from reactor import Backoff, Limits


@pytest.mark.parametrize(
    "bad",
    [
        {"idle_timeout": 0},
        {"connect_timeout": -1},
        {"frame_timeout": "5"},
        {"read_timeout": 0},
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


@pytest.mark.parametrize("bad", [{"when_full": "wait"}, {"when_full": None}, {"handshake_timeout": 0}])
def test_a_bad_limit_of_a_server_is_refused_by_name(bad: dict[str, object]) -> None:
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        Limits(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("good", ["park", "close"])
def test_a_full_server_has_two_ways(good: str) -> None:
    assert Limits(when_full=good).when_full == good  # type: ignore[arg-type]


def test_silence_of_the_peer_is_bounded_only_if_asked() -> None:
    assert Limits().read_timeout is None
    assert Limits(read_timeout=5).read_timeout == 5


def test_a_handshake_is_bounded_unless_asked_otherwise() -> None:
    assert Limits().handshake_timeout == 10
    assert Limits(handshake_timeout=None).handshake_timeout is None


# --- Backoff


@pytest.mark.parametrize(
    "bad",
    [
        {"initial": 0},
        {"initial": "1"},
        {"initial": True},
        {"factor": 0.9},
        {"longest": 0.4},
        {"longest": None},
        {"jitter": 1.1},
        {"jitter": -0.1},
        {"attempts": 0},
        {"attempts": 1.5},
    ],
)
def test_a_bad_backoff_is_refused_by_name(bad: dict[str, object]) -> None:
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        Backoff(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["initial", "factor", "longest", "jitter"])
def test_a_backoff_that_is_no_number_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Backoff(**{name: float("nan")})


@pytest.mark.parametrize("name", ["idle_timeout", "connect_timeout"])
def test_a_timeout_that_is_no_number_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: float("nan")})  # type: ignore[arg-type]


def test_waits_grow_up_to_the_longest() -> None:
    steady = Backoff(initial=1, factor=3, longest=20, jitter=0)
    assert [steady.delay(failures) for failures in (1, 2, 3, 4, 5)] == [1, 3, 9, 20, 20]


def test_a_very_long_night_overflows_nothing() -> None:
    assert Backoff(jitter=0).delay(10_000_000) == 30
    assert Backoff(factor=1, jitter=0).delay(10_000) == 0.5


@pytest.mark.parametrize(("backoff", "wait"), [(Backoff(factor=1, jitter=0), 0.5), (Backoff(factor=2, jitter=0), 30)])
def test_the_wait_is_reckoned_at_once_however_often_it_failed(backoff: Backoff, wait: float) -> None:
    """A loop over the failures, or a power of ints, would take longer than the universe has had."""
    assert backoff.delay(10**30) == wait


def test_a_wait_without_a_longest_overflows_nothing() -> None:
    assert Backoff(longest=float("inf"), jitter=0).delay(10_000) == float("inf")


def test_after_the_last_attempt_there_is_no_wait() -> None:
    twice = Backoff(attempts=2, jitter=0)
    assert [twice.delay(failures) for failures in (1, 2, 3)] == [0.5, None, None]


def test_chance_shortens_a_wait_and_never_lengthens_it() -> None:
    waits = [Backoff(initial=8, jitter=0.5).delay(1) for _ in range(500)]
    assert all(wait is not None and 4 <= wait <= 8 for wait in waits)
    assert len(set(waits)) > 400


def test_a_backoff_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Backoff().initial = 1  # type: ignore[misc]
