"""Windows in turns: what they amount to, and that each server gets its own."""

from __future__ import annotations

import shutil
import sys

import pytest

from reactor import Framing
from reactor.cli.bench_load import Case, Load
from reactor.cli.bench_race import Figures, Race, Server, Window
from reactor.cli.failure import Failure

CASE = Case(Framing(), size=10, in_flight=2, connections=3)


def test_figures_are_of_windows() -> None:
    figures = Figures([Window(1000, 0.02, 0.012, 0.010), Window(1000, 0.01, 0.010, 0.005), Window(500, 0.02, 0.008, 0)])
    assert figures.least == pytest.approx(10)
    assert figures.median == pytest.approx(12)
    assert figures.spread == pytest.approx(0.2)
    assert figures.rate == pytest.approx(100_000)
    assert figures.server_share == pytest.approx(0.6)
    assert figures.load_share == pytest.approx(0.3)


def test_windows_go_round_in_turns_after_one_each_to_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Load] = []
    genuine = Load.start

    def start(self: Load, seconds: float) -> None:
        started.append(self)
        genuine(self, seconds)

    monkeypatch.setattr(Load, "start", start)
    figures = Race(CASE, ["messages", "reads"]).run(rounds=2, seconds=0)
    first, second = started[:2]
    assert started == [first, second] * 3
    assert [len(each.windows) for each in figures.values()] == [2, 2]
    assert all(window.messages >= 6 for each in figures.values() for window in each.windows), "all that was in flight"
    assert all(window.server_cpu > 0 and window.elapsed > 0 for each in figures.values() for window in each.windows)


def test_each_step_is_told_as_it_begins() -> None:
    said: list[tuple[str, ...]] = []
    Race(CASE, ["messages", "reads"], lambda *text: said.append(text)).run(rounds=2, seconds=0)
    first, second = "reactor, a callback per message", "reactor, a callback per read"
    assert said == [
        ("2 servers start",),
        *(("warming up", each) for each in (first, second)),
        *((f"round {round_} of 2", each) for round_ in (1, 2) for each in (first, second)),
    ]


def test_a_server_that_is_dead_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with Server("reads", Framing()) as server:
        with pytest.raises(Failure, match=r"reactor, a callback per read: the server didn't start"):
            server.port()
        with pytest.raises(Failure, match=r"reactor, a callback per read: the server doesn't answer"):
            server.cpu()
