"""The examples of simulations: the first version of each fails within 1,000 seeds, and the mended one passes.

REACTOR_SEEDS=10000 has the mended ones pass as many; without it, it is a few.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import reactor
from reactor.testing import SimulationFailed, play, simulate

ROOT = Path(reactor.__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples" / "simulation").glob("*.py"))
SEEDS = int(os.environ.get("REACTOR_SEEDS", "20"))
FOUND = {
    "request_reply": "orders, and the shop took",
    "replicated_counter": "30 were added, and the replicas have counted",
    "lock_service": "hold the lock",
}


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> dict[str, Any]:
    return runpy.run_path(str(request.param))


def test_every_example_is_short_and_has_its_test() -> None:
    assert {path.stem for path in EXAMPLES} == set(FOUND)
    assert all(len(path.read_text().splitlines()) < 150 for path in EXAMPLES)


def test_the_first_version_is_found_out_and_one_fault_or_a_few_explain_it(example: dict[str, Any]) -> None:
    with pytest.raises(SimulationFailed) as caught:
        simulate(example["first"], 1000, progress=False)
    assert FOUND[Path(example["__file__"]).stem] in str(caught.value)
    assert 1 <= len(caught.value.faults) <= 3


def test_the_mended_version_passes(example: dict[str, Any]) -> None:
    assert len(simulate(example["mended"], SEEDS, progress=False)) == SEEDS


def test_a_seed_of_it_writes_the_same_log_each_time(example: dict[str, Any]) -> None:
    assert str(play(example["mended"], 4).log) == str(play(example["mended"], 4).log)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_searched_by_one_command(path: Path) -> None:
    command = [sys.executable, "-m", "reactor.testing", f"{path}:mended", "--seeds", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("2 seeds pass\n", "", 0)
