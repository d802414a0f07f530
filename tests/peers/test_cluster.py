"""examples/cluster: nodes that are killed and rolled, brokers too, under clients that count. Nothing is lost or told twice.

Its README's commands run here as they stand, at ports that are free.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from peers.conftest import missing
from peers.servers import free_port, program

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cluster"
README = (EXAMPLE / "README.md").read_text()
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 100
PORTS = ("9000", "9001", "9002", "9003", "6379", "4222")


def need(*programs: str) -> None:
    for name in programs:
        if program(name) is None and shutil.which(name) is None:
            missing(f"{name} isn't installed: Debian has it")
    if importlib.util.find_spec("hiredis") is None:
        missing("hiredis isn't installed: pip install hiredis has it")


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process group of its own, of which nothing is left in the end."""
    with subprocess.Popen(command, env=ENVIRON, text=True, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


@pytest.mark.parametrize("broker", ["redis", "nats"])
def test_what_is_acknowledged_reaches_every_member_once_whatever_dies(broker: str) -> None:
    need("redis-server", "haproxy", *(["nats-server"] if broker == "nats" else []))
    command = [sys.executable, str(EXAMPLE / "trial.py"), "--broker", broker, "--seconds", "0", "--every", "1"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as trial:
        told, errors = trial.communicate(timeout=PATIENCE)
    assert trial.returncode == 0, told + errors
    figures = json.loads(told)
    assert {name: figures[name] for name in ("lost", "twice", "disordered")} == dict(lost=0, twice=0, disordered=0)
    assert figures["acknowledged"] >= 300 * 10
    assert figures["told"] == 10 * figures["acknowledged"]
    assert figures["came_back"] > 100
    assert "Traceback" not in errors
