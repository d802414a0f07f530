"""docs/production.md is true: its app is served, HAProxy takes its configuration, and what it names is there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from headers import binary, four
from peers.conftest import missing
from peers.servers import program
from road.cast import frame
from workers.conftest import Client, Service, folder

from reactor import Reactor

DOCUMENT = (Path(__file__).parent.parent / "docs" / "production.md").read_text()

__all__ = ["folder"]


def block(language: str) -> str:
    """Return the one block of a language."""
    (found,) = re.findall(f"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def game(folder: Path) -> Iterator[Service]:
    (folder / "app.py").write_text(block("python"))
    service = Service(folder, "--bind", "127.0.0.1:0", "--workers", "2")
    yield service
    service.close()


def test_the_app_is_served_behind_a_proxy(game: Service) -> None:
    with Client(game.ready()) as client:
        client.send(binary(four(), crc=True) + frame(b"hello"))
        assert client.sock.recv(100) == frame(b"hello")


def test_haproxy_takes_the_configuration(tmp_path: Path) -> None:
    haproxy = program("haproxy")
    if haproxy is None:
        missing("HAProxy isn't installed: Debian's haproxy has it")
    (tmp_path / "haproxy.cfg").write_text(block("haproxy"))
    done = subprocess.run([haproxy, "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done


def test_what_is_to_be_watched_is_counted() -> None:
    section = DOCUMENT.partition("## What to watch\n")[2].partition("\n## ")[0]
    first = "".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))
    named = set(re.findall(r"`(\w+)`", first)) - {"restarts"}
    with Reactor() as reactor:
        assert len(named) > 10
        assert named <= set(reactor.stats())


@pytest.mark.parametrize("option", ["--bind", "--workers", "--grace", "--reuse-port", "--user"])
def test_every_option_of_serve_is_told(option: str) -> None:
    assert option in DOCUMENT
