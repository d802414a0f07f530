"""Limits and Backoff: the bounds of every buffer and every wait, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Literal

from ..late import random

Overflow = Literal["abort", "raise", "drop"]
WhenFull = Literal["park", "close"]

_CHOICES = {"overflow": ("abort", "raise", "drop"), "when_full": ("park", "close")}


@dataclass(frozen=True)
class Limits:
    """Bounds in seconds and bytes; None for none. Raises ValueError naming the field.

    `max_connections`, `max_per_peer`: of a server, the second per peer host. `when_full`: at `max_connections` a server
    parks its listener, so that who comes waits in the kernel's queue, or closes what it takes. `connect_timeout`: for
    names, addresses and the connection together. `handshake_timeout`: for TLS's. `idle_timeout`: no byte in either
    direction. `read_timeout`: no byte from the peer, whatever we send: for a peer that says when it is alive, and not
    for one that only takes. `first_message_timeout`: of a server, from the accept until the peer has said something: a
    whole message where the protocol is framed, else a byte; None where peers only listen. `frame_timeout`: from the
    first byte of a frame to its last, however many come in between. `write_timeout`: the peer takes nothing while bytes
    wait. `close_timeout`: for what waits when `close()` is called. `high_water`, `low_water`: where `pause_writing` and
    `resume_writing` come; a `max_write_buffer` that isn't above lowers them, to its half. `max_write_buffer`: more
    never waits; `overflow` says what becomes of the write that would be more: "abort" ends the connection with
    WriteBufferFull, "raise" raises it and queues nothing, "drop" forgets that write.
    """

    max_connections: int | None = 10_000
    max_per_peer: int | None = None
    when_full: WhenFull = "park"
    connect_timeout: float | None = 10.0
    handshake_timeout: float | None = 10.0
    idle_timeout: float | None = None
    read_timeout: float | None = None
    first_message_timeout: float | None = 60.0
    frame_timeout: float | None = 30.0
    write_timeout: float | None = 60.0
    close_timeout: float | None = 5.0
    high_water: int = 64 * 1024
    low_water: int = 16 * 1024
    max_write_buffer: int | None = 16 * 1024 * 1024
    overflow: Overflow = "abort"

    def __post_init__(self) -> None:
        for each in fields(self):
            _judge(each.name, getattr(self, each.name))
        if self.low_water > self.high_water:
            raise ValueError(f"low_water is {self.low_water}, high_water {self.high_water}: it must not be more")
        if self.max_write_buffer is not None and self.high_water >= self.max_write_buffer:
            object.__setattr__(self, "high_water", self.max_write_buffer // 2)  # else pause_writing would never come
            object.__setattr__(self, "low_water", min(self.low_water, self.high_water // 4))


@dataclass(frozen=True)
class Backoff:
    """How long to wait before trying again: `initial` seconds, then `factor` times as long each time, up to `longest`.

    `jitter` is the part of each wait that is left to chance, 0 to 1: many clients of one server must not come back
    together. It shortens a wait and never lengthens it. `attempts`: how often to try in a row, None for ever. As
    `reconnect` it begins anew behind a connection that lived for `longest` seconds; a shorter one is one more failure.
    """

    initial: float = 0.5
    factor: float = 2.0
    longest: float = 30.0
    jitter: float = 0.5
    attempts: int | None = None

    def __post_init__(self) -> None:
        _check("initial", self.initial, "seconds, more than 0", _is_number(self.initial) and self.initial > 0)
        _check("factor", self.factor, "a number, 1 or more", _is_number(self.factor) and self.factor >= 1)
        long_enough = _is_number(self.longest) and self.longest >= self.initial
        _check("longest", self.longest, "seconds, not less than initial", long_enough)
        _check("jitter", self.jitter, "a number from 0 to 1", _is_number(self.jitter) and 0 <= self.jitter <= 1)
        _judge("attempts", self.attempts)

    def delay(self, failures: int) -> float | None:
        """Return the seconds to wait after so many failures in a row, None when that is enough."""
        return None if self.is_spent(failures) else self.wait(failures)

    def is_spent(self, failures: int) -> bool:
        """Tell whether so many failures in a row are enough."""
        return self.attempts is not None and failures >= self.attempts

    def wait(self, count: int) -> float:
        """Return how many seconds the wait is that comes as the first, the second and so on in a row."""
        try:
            full = min(self.initial * float(self.factor) ** max(0, count - 1), self.longest)
        except OverflowError:  # after a long night
            full = self.longest
        return full * (1 - self.jitter * random.random())


def water_marks(high: int | None, low: int | None, default: int) -> tuple[int, int]:
    """Return both marks as asyncio reckons them: `low` is a quarter of `high` if only that is given."""
    if not all(each is None or isinstance(each, int) for each in (high, low)):
        raise TypeError(f"high is {high!r} and low is {low!r}: ints of bytes are needed, or None")
    if high is None:
        high = default if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high is {high!r} and low is {low!r}: high >= low >= 0 is needed")
    return high, low


def with_read_timeout(limits: Limits, seconds: float | None) -> Limits:
    """Return these limits with another `read_timeout`. Raises ValueError if that is none.

    Connections that agree on the same share one value: to make it takes 25 us, and 360 bytes.
    """
    _judge("read_timeout", seconds)
    return _with_read_timeout(limits, seconds)


@lru_cache(maxsize=128)
def _with_read_timeout(limits: Limits, seconds: float | None) -> Limits:
    return replace(limits, read_timeout=seconds)


def _judge(name: str, value: Any) -> None:
    """Judge a field by its name: what is named alike is bounded alike."""
    if name in _CHOICES:
        _check(name, value, f"one of {', '.join(_CHOICES[name])}", value in _CHOICES[name])
    elif name.endswith("_timeout"):
        _check(name, value, "seconds, more than 0, or None", value is None or (_is_number(value) and value > 0))
    elif name.endswith("_water"):
        _check(name, value, "bytes, an int, 0 or more", _is_int(value) and value >= 0)
    else:
        _check(name, value, "an int, 1 or more, or None", value is None or (_is_int(value) and value > 0))


def _check(name: str, value: object, wanted: str, good: bool) -> None:
    if not good:
        raise ValueError(f"{name} is {value!r}, it must be {wanted}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_int(value) or isinstance(value, float)
