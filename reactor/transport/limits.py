"""Limits: the bounds of every buffer and every wait, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

Overflow = Literal["abort", "raise", "drop"]

_OVERFLOW = ("abort", "raise", "drop")


@dataclass(frozen=True)
class Limits:
    """Bounds in seconds and bytes; None for none. Raises ValueError naming the field.

    `max_connections`, `max_per_peer`: of a server, the second per peer host; at the first it stops accepting, what is
    over the second it closes. `connect_timeout`: for names, addresses and the connection together. `idle_timeout`: no
    byte in either direction. `frame_timeout`: from the first byte of a frame to its last, however many come in between.
    `write_timeout`: the peer takes nothing while bytes wait. `close_timeout`: for what waits when `close()` is called.
    `high_water`, `low_water`: where `pause_writing` and `resume_writing` come. `max_write_buffer`: more never waits;
    `overflow` says what becomes of the write that would be more: "abort" ends the connection with WriteBufferFull,
    "raise" raises it and queues nothing, "drop" forgets that write.
    """

    max_connections: int | None = 10_000
    max_per_peer: int | None = None
    connect_timeout: float | None = 10.0
    idle_timeout: float | None = None
    frame_timeout: float | None = 30.0
    write_timeout: float | None = 60.0
    close_timeout: float | None = 5.0
    high_water: int = 64 * 1024
    low_water: int = 16 * 1024
    max_write_buffer: int | None = 16 * 1024 * 1024
    overflow: Overflow = "abort"

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_timeout"):
                _check(each.name, value, "seconds, more than 0, or None", _is_number(value) and value > 0, True)
            elif each.name.startswith("max_"):
                _check(each.name, value, "an int, 1 or more, or None", _is_int(value) and value > 0, True)
            elif each.name.endswith("_water"):
                _check(each.name, value, "bytes, an int, 0 or more", _is_int(value) and value >= 0, False)
        if self.low_water > self.high_water:
            raise ValueError(f"low_water is {self.low_water}, high_water {self.high_water}: it must not be more")
        if self.overflow not in _OVERFLOW:
            raise ValueError(f"overflow is {self.overflow!r}, it must be one of {', '.join(_OVERFLOW)}")


def _check(name: str, value: object, wanted: str, good: bool, or_none: bool) -> None:
    if not (good or (value is None and or_none)):
        raise ValueError(f"{name} is {value!r}, it must be {wanted}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_int(value) or isinstance(value, float)
