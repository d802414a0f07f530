"""The states of a stream transport, and the legal moves between them."""

from __future__ import annotations

from enum import Enum


class State(str, Enum):  # a str, so that hashing it needs no Python code
    """Where a connection stands. It only ever moves down this list."""

    NEW = "new"  # connection_made has not been called
    OPEN = "open"
    CLOSING = "closing"  # what waits is still sent, nothing is delivered
    LOST = "lost"  # connection_lost is due, or has been


MOVES = {
    State.NEW: {State.OPEN, State.LOST},
    State.OPEN: {State.CLOSING, State.LOST},
    State.CLOSING: {State.LOST},
    State.LOST: set(),
}
