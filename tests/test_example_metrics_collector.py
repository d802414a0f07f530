"""examples/metrics_collector.py, told metrics by plain sockets."""

from __future__ import annotations

import runpy
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import TWINS
from example_programs import EXAMPLES, Program


@pytest.fixture(scope="module", params=TWINS)
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    with Program(request.param, "metrics_collector.py", "127.0.0.1", 0) as server:
        yield server


@contextmanager
def source(server: Program) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(server.address)
        yield sock


def report(server: Program) -> dict[str, str]:
    """Ask for the report, as nc does."""
    with server.connect() as sock, sock.makefile() as lines:
        return dict(line.rstrip("\n").rsplit(" ", 1) for line in lines)


def report_with(server: Program, line: str) -> dict[str, str]:
    """Ask until what was sent last is in it."""
    while line not in (found := report(server)):
        pass
    return found


def test_counts_are_added_up_and_gauges_are_the_last(server: Program) -> None:
    with source(server) as sock:
        for value in (1, 2, 0.5):
            sock.send(b"jobs.done:%a|c\nqueue.length:%a|g" % (value, value * 2))
        sock.send(b"first.over:1|c")
        found = report_with(server, "count first.over")
    assert (found["count jobs.done"], found["gauge queue.length"]) == ("3.5", "1")


def test_what_is_malformed_is_counted_and_the_rest_of_its_datagram_taken(server: Program) -> None:
    with source(server) as sock:
        sock.send(b"fine:1|c\nno metric\nfine:nan|c\nfine:1|x\n\xff:1|c\nfine:1|c")
        sock.send(b"")
        sock.send(b"x" * 2000)
        sock.send(b"second.over:1|c")
        found = report_with(server, "count second.over")
    assert (found["count fine"], found["lost malformed"]) == ("2", "5")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_what_the_kernel_had_no_room_for_is_counted(server: Program) -> None:
    count = 1000 + int(Path("/proc/sys/net/core/rmem_default").read_text()) // 500
    with source(server) as sock:
        server.process.send_signal(signal.SIGSTOP)
        for _ in range(count):
            sock.send(b"flood:1|c" + b"\n" * 500)
        server.process.send_signal(signal.SIGCONT)
        while True:  # each is counted in one place or in the other
            found = report(server)
            if int(found.get("count flood", 0)) + int(found["lost missed"]) >= count:
                break
    assert 0 < int(found["lost missed"]) < count


def test_at_sigterm_the_report_is_printed_with_what_was_lost(server: Program) -> None:
    with source(server) as sock:
        sock.send(b"last.over:-7|g")
        report_with(server, "gauge last.over")
    said, complained = server.stop()
    assert complained == ""
    assert {"gauge last.over -7", "lost cut 0", "lost refused 0"} <= set(said.splitlines())


def test_more_names_than_there_is_room_for_are_refused_and_counted() -> None:
    metrics = runpy.run_path(str(EXAMPLES / "metrics_collector.py"))["Metrics"]()
    for number in range(10_002):
        metrics.datagram_received(b"name.%d:1|c" % number, None)
    metrics.datagram_received(b"name.1:1|c\nname.1:1|g", None)
    assert (len(metrics.counts), metrics.refused, metrics.counts["name.1"]) == (10_000, 3, 2)
