"""Waker: the doorbell carries no message, is cheap to ring and never rings in vain."""

import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from reactor.loop.wakeup import Waker


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    waker.close()


def is_ringing(waker: Waker) -> bool:
    return bool(select.select([waker], [], [], 0)[0])


def fill(waker: Waker) -> int:
    """Do what thousands of signals do to their wake-up fd; return how many bytes it took."""
    end = socket.socket(fileno=waker.signal_fd())
    count = 0
    try:
        while True:
            count += end.send(b"\x02" * 1000)
    except BlockingIOError:
        return count
    finally:
        end.detach()


def test_a_ring_wakes_the_selector(waker: Waker) -> None:
    assert not is_ringing(waker)
    waker.wake()
    assert is_ringing(waker)


def test_it_rings_until_it_is_drained(waker: Waker) -> None:
    waker.wake()
    assert is_ringing(waker)
    assert is_ringing(waker)
    waker.drain()
    assert not is_ringing(waker)


def test_many_rings_cost_one(waker: Waker) -> None:
    for _ in range(1000):
        waker.wake()
    assert waker.rings == 1
    waker.drain()
    assert not is_ringing(waker)


def test_it_rings_again_after_it_was_drained(waker: Waker) -> None:
    for _ in range(3):
        waker.wake()
        assert is_ringing(waker)
        waker.drain()
    assert waker.rings == 3


def test_draining_what_never_rang_does_nothing(waker: Waker) -> None:
    waker.drain()
    waker.drain()
    assert not is_ringing(waker)
    waker.wake()
    assert is_ringing(waker)


def test_what_signals_write_is_drained_whole(waker: Waker) -> None:
    assert fill(waker) > 4096
    waker.drain()
    assert not is_ringing(waker)


@pytest.mark.parametrize("count", [1, 4095, 4096, 4097, 8192])
def test_any_number_of_bytes_is_drained(waker: Waker, count: int) -> None:
    end = socket.socket(fileno=waker.signal_fd())
    try:
        assert end.send(b"\x0f" * count) == count
    finally:
        end.detach()
    waker.drain()
    assert not is_ringing(waker)


def test_a_ring_into_a_full_pipe_is_no_error_since_the_selector_wakes_anyway(waker: Waker) -> None:
    fill(waker)
    waker.wake()
    assert is_ringing(waker)
    waker.drain()
    assert not is_ringing(waker)


def test_it_can_be_rung_from_another_thread(waker: Waker) -> None:
    ringer = threading.Thread(target=waker.wake)
    ringer.start()
    assert select.select([waker], [], [], 20)[0] == [waker]
    ringer.join(20)


def test_a_ring_that_fails_is_raised_since_it_would_be_a_hang() -> None:
    waker = Waker()
    waker.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        waker.wake()


def test_a_ring_that_failed_isnt_taken_for_one_that_rang() -> None:
    waker = Waker()
    waker.close()
    for _ in range(2):
        with pytest.raises(OSError, match="Bad file descriptor"):
            waker.wake()


def test_closing_twice_is_closing_once(waker: Waker) -> None:
    waker.close()
    waker.close()


class Alarm(Exception):
    """What a signal handler of the user's raises, between two lines of anything."""


def raise_at(number: int, frame: FrameType, event: str) -> Any:
    """Trace Waker.drain() and raise before its line of this number."""
    if frame.f_code is not Waker.drain.__code__:
        return None

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line" and frame.f_lineno - frame.f_code.co_firstlineno == number:
            sys.settrace(None)
            raise Alarm
        return trace

    return trace


LINES = sorted({line - Waker.drain.__code__.co_firstlineno for *_, line in Waker.drain.__code__.co_lines() if line})


@pytest.mark.parametrize("number", LINES)
def test_a_ring_is_heard_wherever_draining_was_interrupted(waker: Waker, number: int) -> None:
    waker.wake()
    sys.settrace(lambda frame, event, arg: raise_at(number, frame, event))
    try:
        with suppress(Alarm):
            waker.drain()
    finally:
        sys.settrace(None)
    waker.wake()
    assert is_ringing(waker)
