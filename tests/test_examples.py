"""The examples: short, and one that needs nobody else runs here. tests/peers has those that talk to real servers."""

from __future__ import annotations

import os
import random
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TWINS
from helpers import run_until

from reactor import Reactor
from reactor.testing import ManualClock

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MEBIBYTE = 1 << 20
PATIENCE = 100

# Runs an example, then tells the most memory that it ever had.
WRAPPED = """
import pathlib, re, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    status = pathlib.Path("/proc/self/status").read_text() if sys.platform == "linux" else "VmHWM: 0 kB"
    print("peak", re.search(r"VmHWM:\\s*(\\d+)", status)[1], file=sys.stderr)
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_has_less_than_80_lines_and_says_how_it_is_called(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(path.read_text().splitlines()) < 80
    if path.name == "stdio_port.py":
        return  # it is called with nothing, and serves
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.syspath_prepend(path.parent)
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(path), run_name="__main__")
    assert f"python examples/{path.name}" in str(left.value.code), "which goes to stderr, and the status is 1"


def test_the_list_of_the_examples_has_each_of_them() -> None:
    listed = re.findall(r"\]\(([^)]+)\)", (ROOT / "examples" / "README.md").read_text())
    there = {path.name for path in EXAMPLES} | {path.parent.name for path in ROOT.glob("examples/*/*.py")}
    assert there <= set(listed)
    assert [name for name in listed if name.endswith(".py") and not (ROOT / "examples" / name).exists()] == []


# --- send_file.py


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=TWINS)
def start(request: pytest.FixtureRequest) -> Start:
    """Start send_file.py, over each twin."""
    twin = "1" if request.param == "c" else "0"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "REACTOR_EXTENSION": twin}
    command = [sys.executable, "-W", "error", "-c", WRAPPED, str(ROOT / "examples" / "send_file.py")]
    pipe = subprocess.PIPE

    def start(*args: object) -> subprocess.Popen[str]:
        return subprocess.Popen([*command, *map(str, args)], env=environ, stdout=pipe, stderr=pipe, text=True)

    return start


def send(start: Start, source: Path, target: Path) -> list[int]:
    """Send a file from one process to another, and return the peak memory of both in bytes."""
    with start("receive", "127.0.0.1", 0, target) as receiver:
        assert receiver.stdout is not None
        port = receiver.stdout.readline().rpartition(":")[2].strip()
        with start("send", "127.0.0.1", port, source) as sender:
            told, errors = sender.communicate(timeout=PATIENCE)
        _, other_errors = receiver.communicate(timeout=PATIENCE)
    assert (told, sender.returncode, receiver.returncode) == (f"{source.stat().st_size} bytes came\n", 0, 0), errors
    return [1024 * int(each.split()[-1]) for each in (errors, other_errors)]


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1])
def test_a_small_file_arrives(start: Start, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(random.Random(size).randbytes(size))
    send(start, source, target)
    assert target.read_bytes() == source.read_bytes()


def test_a_file_of_64_mebibytes_arrives_in_the_memory_of_a_small_one(start: Start, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a small file")
    small = send(start, source, target)
    source.write_bytes(random.Random(64).randbytes(MEBIBYTE) * 64)
    large = send(start, source, target)
    assert target.read_bytes() == source.read_bytes()
    assert [after - before < 8 * MEBIBYTE for before, after in zip(small, large, strict=True)] == [True, True]


def test_who_sends_to_nobody_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"nobody wants it")
    with start("send", "127.0.0.1", 1, tmp_path / "source") as sender:
        _, errors = sender.communicate(timeout=PATIENCE)
    assert sender.returncode == 1
    assert "can't connect to 127.0.0.1:1: Connection refused" in errors


def test_a_file_may_take_as_long_as_it_takes_while_its_receiver_takes_some_of_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    example, source = runpy.run_path(str(ROOT / "examples" / "send_file.py")), tmp_path / "source"
    source.write_bytes(bytes(16 * MEBIBYTE))
    with socket.create_server(("127.0.0.1", 0)) as listener, Reactor(clock=clock) as net, source.open("rb") as file:
        sender = example["Sender"](net, file)
        net.connect_tcp(lambda: sender, *listener.getsockname(), limits=example["PATIENT"])
        run_until(net, lambda: net.stats()["connections"])
        peer = listener.accept()[0]
        with peer:
            peer.setblocking(False)
            for _ in range(16):  # in 8 minutes
                take(peer, MEBIBYTE, net)
                clock.advance(30)
                net.run_once(0)
            take(peer, 8, net)
            peer.sendall((26).to_bytes(8, "big") + b"that is 16 MiB, bytes came")
            net.run()
    assert sender.failure is None


def take(peer: socket.socket, count: int, net: Reactor) -> None:
    while count:
        try:
            count -= len(peer.recv(count))
        except BlockingIOError:
            net.run_once(0)
