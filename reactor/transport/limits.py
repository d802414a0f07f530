"""Limits: the bounds of every buffer and every wait, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Overflow = Literal["abort", "raise", "drop"]

_OVERFLOW = ("abort", "raise", "drop")


@dataclass(frozen=True)
class Limits:
    """Bounds in seconds and bytes; None for none. Raises ValueError naming the field.

    `max_connections`, `max_per_peer`: of a server, the second per peer host; at a limit it stops accepting, or closes
    what is too much. `connect_timeout`: for names, addresses and the connection together. `idle_timeout`: no byte in
    either direction. `frame_timeout`: from the first byte of a frame to its last, however many come in between.
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
                _check(each.name, value, (int, float), "more than 0 seconds, or None", value is None or value > 0)
            elif each.name.startswith("max_"):
                _check(each.name, value, int, "1 or more, or None", value is None or value > 0)
            elif each.name.endswith("_water"):
                _check(each.name, value, int, "0 bytes or more", value is not None and value >= 0)
        if self.low_water > self.high_water:
            raise ValueError(f"low_water is {self.low_water}, it must be at most high_water, which is {self.high_water}")
        if self.overflow not in _OVERFLOW:
            raise ValueError(f"overflow is {self.overflow!r}, it must be one of {', '.join(_OVERFLOW)}")


def _check(name: str, value: object, kinds: type | tuple[type, ...], wanted: str, in_range: bool) -> None:
    if (value is not None and not isinstance(value, kinds)) or isinstance(value, bool) or not in_range:
        raise ValueError(f"{name} is {value!r}, it must be {wanted}")
