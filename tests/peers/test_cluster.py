"""examples/cluster: nodes and brokers are killed under clients that count. Nothing is lost, nothing is told twice.

Its README's commands run here as they stand, at ports that are free; a trial takes as little time as it can.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from helpers import Recorder
from peers.conftest import missing
from peers.servers import free_port, program

from reactor import EventLoop
from reactor.testing import MemorySelector, cuts, memory_pair, settle

Ask = Callable[..., Any]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cluster"
README = (EXAMPLE / "README.md").read_text()
SERVE, CHAT, NATS, TRIALS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
(TOLD,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": PATH}
PORTS = ("9000", "9001", "9002", "9003", "6379", "4222")
PATIENCE = 100
NONE_IS_WRONG = {"complete": True, "lost": 0, "twice": 0, "disordered": 0}


@pytest.fixture(params=["redis", "nats"])
def broker(request: pytest.FixtureRequest) -> str:
    need("redis-server", "haproxy", *(["nats-server"] if request.param == "nats" else []))
    return str(request.param)


def need(*programs: str) -> None:
    for name in programs:
        if program(name) is None:
            missing(f"{name} isn't installed: Debian's {name} has it")
    if importlib.util.find_spec("hiredis") is None:
        missing('hiredis isn\'t installed: pip install "hiredis>=3" has it')


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process group of its own, which is told to end in the end."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=ENVIRON, text=True, start_new_session=True, **{**quiet, **options}) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def test_what_is_acknowledged_reaches_every_member_once_whatever_dies(broker: str) -> None:
    (trial,) = (line for line in TRIALS.splitlines() if f"--broker {broker}" in line)
    command = trial.replace("python", sys.executable, 1).replace("--seconds 60", "--seconds 0 --workers 1")
    with running(command.split(), cwd=EXAMPLE) as process:
        told, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told + errors
    figures = json.loads(told)
    assert {name: figures[name] for name in NONE_IS_WRONG} == NONE_IS_WRONG
    assert figures["acknowledged"] > 300  # how many it is on a busy machine isn't asked
    assert figures["told"] == 10 * figures["acknowledged"]
    assert figures["came_back"] > 100  # of a node that was killed, of one that was rolled, and who was away
    assert "Traceback" not in errors


def test_the_commands_of_its_readme_work_as_they_stand(broker: str, tmp_path: Path) -> None:
    ports = {port: str(free_port()) for port in PORTS}

    def moved(text: str) -> str:
        return re.sub("|".join(PORTS), lambda found: ports[found[0]], text)

    copy = tmp_path / "examples" / "cluster"
    copy.mkdir(parents=True)
    for path in EXAMPLE.iterdir():
        if path.is_file():
            (copy / path.name).write_text(moved(path.read_text()))
    script = "set -e\ntrap 'kill $(jobs -p)' EXIT\n" + (moved(NATS) if broker == "nats" else "") + moved(SERVE)
    quiet = script.replace(" &\n", " >>output 2>&1 &\n")
    with running(["bash", "-c", quiet + moved(CHAT)], cwd=tmp_path) as process:
        told, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, told) == (0, TOLD), errors


# --- what a trial meets too seldom


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Ask a Redis that knows the functions of the history."""
    need("redis-server")
    import hiredis

    path = str(tmp_path / "redis.sock")
    command = ["redis-server", str(EXAMPLE / "redis.conf"), "--port", "0", "--unixsocket", path]
    with running(command, cwd=tmp_path) as process, socket.socket(socket.AF_UNIX) as sock:
        assert process.stdout is not None
        assert any("eady to accept connections" in line for line in process.stdout)
        sock.settimeout(PATIENCE)
        sock.connect(path)
        replies = hiredis.Reader(encoding="utf-8")

        def ask(*words: str | int) -> Any:
            sock.sendall(hiredis.pack_command(words))
            while (reply := replies.gets()) is False:
                replies.feed(sock.recv(65536))
            return reply

        assert ask("FUNCTION", "LOAD", (EXAMPLE / "history.lua").read_text()) == "history"
        yield ask


def append(ask: Ask, number: int, said: str, session: str = "one") -> Any:
    """Return the number of the session's last, the sequence number, and whether it is new."""
    return ask("FCALL", "append", 3, "{room}:log", "{room}:run", f"{{room}}:last:{session}", number, said, "")


def since(ask: Ask, after: str, most: int = 10) -> Any:
    """Return the number of the session's last, and what is told by sequence number."""
    last, found = ask("FCALL", "since", 2, "{room}:log", "{room}:last:one", after, most)
    return last, dict(found)


def test_a_message_that_comes_again_is_stored_once(ask: Ask) -> None:
    [_, first, _] = append(ask, 1, "a")
    [_, second, _] = append(ask, 1, "b", session="two")
    assert append(ask, 1, "a") == [1, second, 0]
    assert since(ask, "0-0") == (1, {first: "a", second: "b"})


def test_no_message_is_stored_before_an_earlier_one(ask: Ask) -> None:
    assert append(ask, 2, "b") == [0, "0-0", 0]
    [_, first, _] = append(ask, 1, "a")
    [last, second, is_new] = append(ask, 2, "b")
    assert (last, is_new) == (2, 1)
    assert since(ask, first) == (2, {second: "b"})


def test_a_history_is_read_in_pages_and_its_numbers_have_no_gap(ask: Ask) -> None:
    numbers = [append(ask, number, "x")[1] for number in range(1, 6)]
    assert [int(each.partition("-")[2]) for each in numbers] == [0, 1, 2, 3, 4]
    assert list(since(ask, "0-0", most=2)[1]) == numbers[:2]
    assert list(since(ask, numbers[1], most=2)[1]) == numbers[2:4]
    assert since(ask, numbers[4]) == (5, {})


def test_a_redis_that_was_started_anew_uses_no_number_that_it_may_have_told_and_lost(ask: Ask) -> None:
    told = append(ask, 1, "a")[1]
    ask("SET", "{room}:run", "the one before")
    again = append(ask, 2, "b")[1]
    assert int(again.partition("-")[0]) > int(told.partition("-")[0])
    assert since(ask, told.partition("-")[0] + "-1000") == (2, {again: "b"})


def test_who_beats_is_there(ask: Ask) -> None:
    assert ask("FCALL", "beat", 2, "{room}:log", "{room}:who", "alice node1", "bob node1") == "0-0"
    assert ask("FCALL", "who", 1, "{room}:who", 10) == ["alice node1", "bob node1"]
    assert 0 < ask("TTL", "{room}:who") <= 90


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the example; its name is nobody's when the test is over."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield importlib.import_module
    for path in EXAMPLE.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_what_nats_says_is_taken_apart_however_it_is_cut(module: Callable[[str], ModuleType]) -> None:
    connection = module("nats").Connection
    stream = b"INFO {}\r\nPING\r\nMSG room.a 1 4\r\n\r\n\r\n\r\nMSG room.b 2 0\r\n\r\nPONG\r\n"
    for chunks in cuts(stream):
        heard: list[Any] = []
        bus = SimpleNamespace(
            greet=lambda transport, heard=heard: heard.append("greet"),
            heard_all=lambda heard=heard: heard.append("pong"),
            on_message=lambda *words, heard=heard: heard.append(words),
            lost=lambda exc: None,
        )
        server = Recorder()
        with EventLoop(MemorySelector()) as loop:
            memory_pair(loop, connection(bus), server)
            loop.run_once(0)
            for chunk in chunks:
                server.transport.write(chunk)
                settle(loop)
            server.transport.close()
            settle(loop)
            assert heard == ["greet", (b"room.a", b"\r\n\r\n"), (b"room.b", b""), "pong"]
            assert server.data == b"PONG\r\n"


def test_a_feed_passes_on_all_in_order_and_once_whatever_the_bus_does(module: Callable[[str], ModuleType]) -> None:
    wire = module("wire")
    told: list[bytes] = []
    history = [(b"1-%d" % number, b"a %d" % number) for number in range(9)]
    asked: list[Any] = []
    store = SimpleNamespace(since=lambda on_reply, room, session, seq: asked.append((on_reply, seq)))
    feed = module("feed").Feed(store, b"room", told.append)
    feed.is_needed = True
    bus = [(b"1-%d" % number, b"a %d" % number) for number in (0, 0, 2, 1, 3, 6, 6, 5)]
    for seq, said in [*bus, (b"1-8", b"")]:
        feed.heard(b"%b %b" % (seq, said) if said else seq)
        if seq == b"1-3":  # it answers late
            while asked:
                on_reply, after = asked.pop()
                on_reply([0, [each for each in history[:4] if wire.to_seq(each[0]) > after][:2]])
    while asked:
        on_reply, after = asked.pop()
        on_reply([0, [each for each in history if wire.to_seq(each[0]) > after][:2]])
    assert told == [wire.FRAMING.encode(b"said 1-%d a %d" % (number, number)) for number in range(9)]
    assert feed.seq == feed.known == (1, 8)


def test_a_crowd_finds_what_is_lost_told_twice_or_in_another_order(module: Callable[[str], ModuleType]) -> None:
    kind = module("crowd").Crowd
    crowd = kind.__new__(kind)
    crowd.joined, crowd.until_stored, crowd.until_told = 6, [0.001], [0.002]
    crowd.acknowledged = {b"a": {b"1", b"2"}}
    told = [[b"1", b"2"], [b"1"], [b"1", b"2", b"2"], [b"2", b"1"]]
    crowd.clients = [SimpleNamespace(room=b"a", told=each) for each in told]
    crowd.rooms = {b"a": crowd.clients}
    figures = crowd.figures()
    assert [figures[name] for name in ("lost", "twice", "disordered", "told", "came_back")] == [1, 1, 3, 8, 2]
