"""Which twins a process runs: what REACTOR_EXTENSION says, and what there is where a build failed in part."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import needs_extension

import reactor

CODEC, STREAM = "reactor.framing._codec_c", "reactor.transport._stream_c"
DATAGRAM = "reactor.transport._datagram_c"
PURE_CODEC, PURE_STREAM = "reactor.framing._codec_py", "reactor.transport._stream_py"
PURE_DATAGRAM = "reactor.transport._datagram_py"
BARE = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
import reactor
"""
ECHO = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
import socket, reactor
from reactor.transport._datagram import Datagrams
from reactor.transport._stream import Stream

class Echo(reactor.FramedProtocol):
    def message_received(self, message):
        self.send(message)
        self.transport.close()

    def connection_lost(self, exc):
        net.stop()

with reactor.Reactor() as net:
    server = net.listen_tcp(Echo, "127.0.0.1", 0)
    with socket.create_connection(server.addresses[0]) as peer:
        peer.sendall(reactor.Framing().encode(b"hello"))
        net.run()
        assert peer.recv(100) == reactor.Framing().encode(b"hello")
print(reactor.EXTENSION, *(each.__module__ for each in (reactor.Decoder, Stream, Datagrams)))
"""


def imported(mode: str, *missing: str, code: str = ECHO) -> str:
    """Return what a process runs that doesn't find some modules, or the last line of what it complains of."""
    done = subprocess.run(
        [sys.executable, "-c", code, *missing],
        env={**os.environ, "REACTOR_EXTENSION": mode},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return (done.stdout or done.stderr).strip().splitlines()[-1]


@needs_extension
@pytest.mark.parametrize(
    ("mode", "missing", "runs"),
    [
        ("", [], f"True {CODEC} {STREAM} {DATAGRAM}"),
        ("true", [], f"True {CODEC} {STREAM} {DATAGRAM}"),
        ("False", [], f"False {PURE_CODEC} {PURE_STREAM} {PURE_DATAGRAM}"),
        ("1", [], f"True {CODEC} {STREAM} {DATAGRAM}"),
        ("0", [], f"False {PURE_CODEC} {PURE_STREAM} {PURE_DATAGRAM}"),
        ("", [STREAM], f"False {CODEC} {PURE_STREAM} {DATAGRAM}"),
        ("", [CODEC], f"False {PURE_CODEC} {PURE_STREAM} {PURE_DATAGRAM}"),
        ("", [DATAGRAM], f"True {CODEC} {STREAM} {PURE_DATAGRAM}"),
    ],
)
def test_what_is_there_runs(mode: str, missing: list[str], runs: str) -> None:
    assert imported(mode, *missing) == runs


@pytest.mark.parametrize("missing", [CODEC, STREAM, DATAGRAM])
def test_a_twin_that_must_be_there_and_is_not_fails_the_import(missing: str) -> None:
    assert imported("1", missing).startswith("ModuleNotFoundError")
    assert imported("1", missing, code=BARE).startswith("ModuleNotFoundError")


def test_any_other_word_fails_the_import() -> None:
    assert imported("yes", code=BARE).startswith("ValueError: REACTOR_EXTENSION is 'yes': ")


@needs_extension
@pytest.mark.parametrize("wanted", [None, True])
def test_a_twin_that_was_built_under_another_name_is_not_taken(tmp_path: Path, wanted: bool | None) -> None:
    shutil.copytree(Path(reactor.__file__).parent, tmp_path / "moved", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys, moved; print(moved.EXTENSION, [name for name in sys.modules if name.startswith('reactor')])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "REACTOR_EXTENSION": "1" if wanted else ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if wanted:
        assert f"ImportError: moved.framing._codec_c was built as {CODEC}: build it anew" in done.stderr
    else:
        assert done.stdout == "False []\n"
