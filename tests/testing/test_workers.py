"""Workers: the first seed that fails is told, whoever was faster."""

from __future__ import annotations

import os

import pytest

from reactor.testing import SimNetwork
from reactor.testing.workers import first_failure

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")


def failing_at(*seeds: int) -> object:
    def scenario(network: SimNetwork) -> None:
        assert network.seed not in seeds

    return scenario


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=needs_fork), pytest.param(3, marks=needs_fork)])
@pytest.mark.parametrize("failing", [(), (0,), (7,), (19,), (8, 9), (5, 4, 19)])
def test_the_first_that_fails_is_found(processes: int, failing: tuple[int, ...]) -> None:
    done: list[int] = []
    found = first_failure(failing_at(*failing), range(20), processes, done.append)  # type: ignore[arg-type]
    assert found == min(failing, default=None)
    assert done == sorted(done)


@needs_fork
def test_a_slow_process_is_waited_for_if_its_seed_comes_first() -> None:
    reading, writing = os.pipe()

    def scenario(network: SimNetwork) -> None:
        if network.seed == 2:
            os.read(reading, 1)  # until the other process has come to the seed behind it
        if network.seed == 3:
            os.write(writing, b"x")
        assert network.seed not in (2, 3)

    try:
        assert first_failure(scenario, range(10), 2, lambda _: None) == 2
    finally:
        os.close(reading)
        os.close(writing)


@needs_fork
def test_a_process_that_dies_is_told() -> None:
    def scenario(network: SimNetwork) -> None:
        if network.seed == 3:
            os._exit(1)

    with pytest.raises(RuntimeError, match="the process that played place 3 of the seeds has died"):
        first_failure(scenario, range(10), 2, lambda _: None)
