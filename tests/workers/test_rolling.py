"""Rolling restarts under clients that send and check: nobody refused, nothing lost, nobody left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import bench_rolling
import pytest
from workers.conftest import ROOT, Start

CLIENTS = 20


def crowd(address: str) -> subprocess.Popen[str]:
    """Start clients; they have all had an answer."""
    command = [sys.executable, bench_rolling.__file__, "clients", address, str(CLIENTS)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    return process


def seen_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    process.send_signal(signal.SIGTERM)
    with process:
        assert process.stdout is not None
        return json.loads(process.stdout.read())  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", [[], ["--reuse-port"]], ids=["one socket", "a socket each"])
def test_ten_restarts_cost_no_message_and_no_connection(start: Start, folder: Path, options: list[str]) -> None:
    (folder / "app.py").write_text(bench_rolling.APP)
    service = start("--bind", "127.0.0.1:0", "--workers", "2", *options)
    clients = crowd(service.ready())
    for _ in range(10):
        service.signal(signal.SIGHUP)
        service.told("READY=1")
    seen = seen_by(clients)
    acknowledged = seen.pop("acknowledged")
    assert min(acknowledged) > 1
    assert bench_rolling.lost(acknowledged, folder / "books") == 0
    assert seen.pop("came_back") > 0
    seen.pop("reset")  # rare: what is sent to a worker behind its end is answered so (RFC 1122, 4.2.2.13)
    assert seen == {"wrong": 0, "refused": 0}
    assert service.stats()["reloads"] == 10
    assert len(service.workers()) == 2
    assert service.stop() == 0
    assert service.gone() == []


def test_workers_that_are_killed_cost_their_own_connections_and_no_message(start: Start, folder: Path) -> None:
    (folder / "app.py").write_text(bench_rolling.APP + "    os.write(1, b'up %d\\n' % os.getpid())\n")
    service = start("--bind", "127.0.0.1:0", "--workers", "2")
    clients = crowd(service.ready())
    for pid in service.workers():
        os.kill(pid, signal.SIGKILL)
        service.up()
    seen = seen_by(clients)
    assert bench_rolling.lost(seen["acknowledged"], folder / "books") == 0
    assert (seen["wrong"], seen["refused"]) == (0, 0)
    assert service.stats()["restarts"] == 2
