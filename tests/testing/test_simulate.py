"""simulate() and @scenario: the seed that fails, the log's end, the faults it takes, and the line for it."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import reactor
from reactor.testing import SimNetwork, SimulationFailed, play, scenario, simulate

ROOT = Path(reactor.__file__).parents[1]


def freezes(network: SimNetwork) -> None:
    """Fail when a host stands still for long."""
    host = network.host("one")
    network.disturb("freeze", "pause", every=10, until=60, longest=10)
    ticks: list[float] = []
    host.reactor.call_every(0.5, lambda: ticks.append(network.time))
    network.run(80)
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    assert max(gaps) < 9, f"it stood still for {max(gaps):.1f} s"


def passes(network: SimNetwork) -> None:
    network.run(1)


@scenario(seeds=5)
def test_a_scenario_is_a_test(network: SimNetwork) -> None:
    assert 0 <= network.seed < 5


test_without_a_call, test_of_one_process = scenario(passes), scenario(seeds=3, processes=1)(passes)


def test_what_passes_returns_the_seeds_that_were_played() -> None:
    assert simulate(passes, 4) == [0, 1, 2, 3]
    assert [seed for seed in simulate(passes, [9, 7])] == [9, 7]  # noqa: C416  # as the docs have it


@pytest.fixture(scope="module")
def failure() -> SimulationFailed:
    with pytest.raises(SimulationFailed) as caught:
        simulate(freezes, 1000, progress=False)
    return caught.value


def test_a_failure_tells_the_seed_the_log_and_the_faults_that_it_takes(failure: SimulationFailed) -> None:
    text = str(failure)
    assert text.startswith(f"seed {failure.seed} fails: AssertionError: it stood still for")
    assert len(failure.faults) == 1
    assert re.search(r"faults that it takes: 1\n  fault \d+: freeze at .* s for 9.* s\n", text)
    assert "scenario         fails: AssertionError" in text
    assert text.splitlines()[-1] == f"again: {failure.command}"
    assert isinstance(failure.__cause__, AssertionError)


def test_the_line_plays_it_again(failure: SimulationFailed) -> None:
    command = [sys.executable, *shlex.split(failure.command)[1:], "--lines", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path.cwd())
    assert done.returncode == 1, done.stderr
    assert "fails: AssertionError: it stood still for" in done.stdout


def test_a_scenario_without_a_file_has_a_call_in_place_of_a_line() -> None:
    with pytest.raises(SimulationFailed, match=r"again: reactor.testing.play\(.*<lambda>, 0\)"):
        simulate(lambda network: 1 / 0, 1)


def test_what_the_seed_does_not_decide_is_found_out() -> None:
    times: list[int] = []

    def moody(network: SimNetwork) -> None:
        times.append(1)
        assert len(times) > 1

    with pytest.raises(RuntimeError, match="when it was played again did not: something else has a say in it"):
        simulate(moody, 1)


def test_the_environment_says_how_many_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []
    monkeypatch.setenv("REACTOR_SEEDS", "3")
    scenario(processes=1)(lambda network: played.append(network.seed))()
    assert played == [0, 1, 2]


def test_the_progress_line_is_for_who_looks_on(capsys: pytest.CaptureFixture[str]) -> None:
    simulate(passes, 3, progress=True, processes=2)
    assert "passes: 3 of 3 seeds" in capsys.readouterr().err
    simulate(passes, 3)
    assert capsys.readouterr().err == ""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "reactor.testing", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, cwd=ROOT)


def test_the_command_looks_for_a_seed_and_plays_one() -> None:
    where = str(Path(__file__).resolve())
    assert command(f"{where}:passes", "--seeds", "3").stdout == "3 seeds pass\n"
    assert command(f"{where}:passes", "4").stdout.endswith("seed 4 passes\n")
    found = command(f"{where}:freezes")
    assert found.returncode == 1
    assert "faults that it takes: 1" in found.stdout


@pytest.mark.parametrize("name", ["nowhere.py:passes", f"{__file__}:nothing", "passes"])
def test_what_is_not_there_is_told(name: str) -> None:
    done = command(name, "1")
    assert done.returncode == 2
    assert "has no" in done.stderr


def test_a_played_seed_can_be_looked_at_in_the_same_process(failure: SimulationFailed) -> None:
    again = play(freezes, failure.seed, failure.without)
    assert str(again.log) == str(failure.log)
