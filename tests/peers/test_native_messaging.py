"""Native messaging: a browser and a program it runs, over the program's stdin and stdout, both sides of it ours.

The peer is what browsers' documentation has everybody write: 4 bytes of length in the machine's own order, and JSON.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until

from reactor import FramedProtocol, Reactor, presets

pytest.importorskip("fcntl", reason="pipes are for systems whose selectors take them")
pytestmark = pytest.mark.usefixtures("twin")
ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60
MESSAGES = [{"id": 1}, "ping", [], {"text": "snö ☃"}, {"text": "x" * 60_000}, None, {"text": "y" * 1_000_000}]

# As the documentation has it: blocks, reads what it needs, and answers each message.
HOST = """
import json, struct, sys
while header := sys.stdin.buffer.read(4):
    message = json.loads(sys.stdin.buffer.read(struct.unpack("@I", header)[0]))
    answer = json.dumps({"said": message}).encode()
    sys.stdout.buffer.write(struct.pack("@I", len(answer)) + answer)
    sys.stdout.buffer.flush()
"""

OUR_HOST = """
import json
from reactor import FramedProtocol, Reactor, presets

class Host(FramedProtocol):
    framing = presets.native_messaging()

    def message_received(self, message):
        self.send(json.dumps({"said": json.loads(message)}).encode())

    def connection_lost(self, exc):
        reactor.stop()

with Reactor() as reactor:
    reactor.connect_pipe(Host, 0, 1)
    reactor.run()
"""


class Browser(FramedProtocol):
    """Says everything at once; its side ends when as many answers came."""

    def __init__(self) -> None:
        self.framing = presets.native_messaging()
        self.came: list[Any] = []
        self.ended = False
        self.lost: BaseException | None = None

    def connection_made(self, transport: Any) -> None:
        self.send_many([json.dumps(each).encode() for each in MESSAGES])

    def message_received(self, message: bytes) -> None:
        self.came.append(json.loads(message))
        if len(self.came) == len(MESSAGES):
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended, self.lost = True, exc


Run = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def run(twin: ModuleType) -> Iterator[Run]:
    """Run a program with a pipe at each end; it ends well when its stdin does."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "REACTOR_EXTENSION": str(int(twin.__name__.endswith("_c")))}
    programs: list[subprocess.Popen[bytes]] = []

    def start(source: str) -> subprocess.Popen[bytes]:
        command, pipe = [sys.executable, "-W", "error", "-c", source], subprocess.PIPE
        programs.append(subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, bufsize=0))
        return programs[-1]

    yield start
    for program in programs:
        for file in (program.stdin, program.stdout):
            assert file is not None
            file.close()
        assert program.wait(PATIENCE) == 0


@pytest.mark.parametrize("source", [HOST, OUR_HOST], ids=["their-host", "our-host"])
def test_our_browser_gets_an_answer_to_each_message(net: Reactor, run: Run, source: str) -> None:
    host, browser = run(source), Browser()
    net.connect_pipe(lambda: browser, host.stdout, host.stdin)
    run_until(net, lambda: browser.ended)
    assert browser.lost is None
    assert browser.came == [{"said": each} for each in MESSAGES]


def test_their_browser_gets_an_answer_to_each_message_of_our_host(run: Run) -> None:
    host = run(OUR_HOST)
    assert host.stdin is not None
    assert host.stdout is not None
    for message in MESSAGES:
        body = json.dumps(message).encode()
        host.stdin.write(struct.pack("@I", len(body)) + body)
        (size,) = struct.unpack("@I", whole(host.stdout, 4))
        assert json.loads(whole(host.stdout, size)) == {"said": message}


def whole(file: Any, size: int) -> bytes:
    """Read so many bytes of a pipe, which gives less."""
    data = b""
    while len(data) < size:
        more = file.read(size - len(data))
        assert more, f"it ended {size - len(data)} bytes early"
        data += more
    return data
