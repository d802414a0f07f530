"""Exceptions that come between two lines of the library, wherever CPython looks for signals."""

from __future__ import annotations

import dis
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import reactor

PACKAGE = str(Path(reactor.__file__).parent)


class OutOfNowhere(KeyboardInterrupt):
    """What a signal handler of somebody's raises."""


def points_of(code: CodeType, known: dict[CodeType, set[int]] = {}) -> set[int]:  # noqa: B006
    """Return where CPython looks for signals: at the beginning, behind a call, at the end of a loop's body."""
    if code not in known:
        known[code] = points = set()
        before = None
        for each in dis.get_instructions(code):
            # not where the next call begins: there a trace function's frame is like one of the user's that is called
            behind_a_call = before is not None and before.opname.startswith("CALL") > each.opname.startswith("CALL")
            if behind_a_call or each.opname.startswith(("JUMP_BACKWARD", "JUMP_ABSOLUTE")):
                points.add(each.offset)
            before = each
    return known[code]


class Interruption:
    """Does something once, at the n-th such point in the library's code from now on."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self._number = number
        self._act = act
        self.passed = 0  # points
        self.met = ""

    def __enter__(self) -> Interruption:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step(frame, event, arg)

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "call" or (event == "opcode" and frame.f_lasti in points_of(frame.f_code)):
            self.passed += 1
            if self.passed > self._number:
                sys.settrace(None)
                frame.f_trace = None
                name = Path(frame.f_code.co_filename).name
                self.met = f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
                self._act()
        return self._step


def raise_out_of_nowhere() -> None:
    raise OutOfNowhere


def interrupt_twice() -> None:
    """Press Ctrl-C: once to stop, once more."""
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def run_for_two_turns(net: reactor.Reactor) -> None:
    """The second turn does what the first one has asked for."""
    net.call_soon(net.call_soon, net.stop)
    net.run()
