"""What an import costs, counted in modules: a duration would be somebody else's machine's."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import reactor
from reactor._mode import compiled_wanted

ROOT = str(Path(reactor.__file__).parents[1])
NEW = "import sys; sys.path.insert(0, {!r}); before = set(sys.modules)\n{}\nprint(*set(sys.modules) - before)"
ON_DEMAND = {"argparse", "asyncio", "concurrent.futures", "difflib", "multiprocessing", "random", "ssl", "subprocess"}
SERVE = """
from reactor import FramedProtocol, Framing, Reactor
import socket

class Echo(FramedProtocol):
    def message_received(self, message):
        self.send(message)
        self.transport.close()

    def connection_lost(self, exc):
        loop.stop()

with Reactor() as loop, socket.socket() as peer:
    peer.connect(loop.listen_tcp(Echo, "127.0.0.1", 0).addresses[0])
    peer.sendall(Framing().encode(b"hello"))
    loop.run()
    assert peer.recv(100) == Framing().encode(b"hello")
"""
USES = {
    "ssl": "reactor.Reactor().listen_tcp(reactor.Protocol, '127.0.0.1', 0, tls=1)",
    "concurrent.futures": "reactor.Reactor().run_in_thread(print)",
    "random": "reactor.Backoff().delay(1)",
}


def imported(code: str) -> set[str]:
    """Return the modules that some code imports in a fresh interpreter."""
    command = [sys.executable, "-I", "-S", "-c", NEW.format(ROOT, code)]
    env = {**os.environ, "REACTOR_EXTENSION": "0" if compiled_wanted() is False else ""}  # 1 takes them all at once
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_package_takes_at_most_half_the_modules_of_asyncio() -> None:
    assert len(imported("import reactor")) <= len(imported("import asyncio")) // 2


def test_the_codec_takes_no_socket_and_no_loop() -> None:
    found = imported("from reactor import Decoder, Framing, FramingError, presets")
    assert not found & {*ON_DEMAND, "logging", "selectors", "signal", "socket", "threading"}
    assert {name.split(".")[1] for name in found if name.startswith("reactor.")} == {"_mode", "errors", "framing"}


def test_a_server_takes_nothing_that_it_does_not_use() -> None:
    assert not imported(SERVE) & ON_DEMAND


def test_all_names_together_take_nothing_that_is_not_used_yet() -> None:
    assert not imported("from reactor import *") & ON_DEMAND


@pytest.mark.parametrize("module", USES)
def test_what_is_used_is_imported_then(module: str) -> None:
    use = f"import contextlib, reactor\nwith contextlib.suppress(TypeError, OSError):\n    {USES[module]}\n"
    assert module in imported(use)


# --- the face, whose names are imported when they are asked for


def test_every_name_of_the_face_is_what_type_checkers_take_it_for() -> None:
    tree = ast.parse(Path(reactor.__file__).read_text())
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    nodes = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in nodes for alias in node.names}
    assert homes == reactor.__dict__["_HOME"]
    assert sorted(homes) == sorted(reactor.__all__)
    for name, home in homes.items():
        assert getattr(reactor, name) is getattr(sys.modules[f"reactor.{home}"], name)


def test_the_face_shows_its_names_and_its_folders_to_who_completes_them() -> None:
    assert {*reactor.__all__, "framing", "loop", "transport", "__version__"} <= set(dir(reactor))


@pytest.mark.parametrize("folder", ["framing", "loop", "transport", "server"])
def test_a_folder_of_the_face_is_there_without_an_import_of_its_own(folder: str) -> None:
    assert f"reactor.{folder}" in imported(f"import reactor; assert reactor.{folder}.__name__ == 'reactor.{folder}'")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'reactor' has no attribute 'Rector'"):
        getattr(reactor, "Rector")  # noqa: B009  # a type checker would refuse the attribute
