"""A server that forks under load, in small; REACTOR_FORKS=500x200 is the full size of bench/bench_forks.py."""

import os
import signal
import sys

import pytest
from bench_forks import MESSAGES_A_FORK, storm

CONNECTIONS, FORKS = map(int, os.environ.get("REACTOR_FORKS", "20x8").split("x"))


@pytest.mark.skipif(sys.platform != "linux", reason="who holds what is read in /proc")
def test_a_server_that_forks_under_load_serves_everybody_once_and_its_children_hold_nobody() -> None:
    figures = storm(CONNECTIONS, FORKS)
    assert figures.wrong == 0
    assert figures.answers >= FORKS * MESSAGES_A_FORK
    assert figures.held_files == 0
    assert figures.ended == {"end": CONNECTIONS - CONNECTIONS // 2, "reset": CONNECTIONS // 2}
    assert not figures.reached
    assert figures.exits == {-signal.SIGTERM: FORKS}
    for window in (figures.before, figures.after):  # a message is one event, whoever lives beside the server
        assert window.events == window.messages
