"""examples/dns_server.py, asked by the clients that everybody has: dig and kdig. DNS_QUESTIONS says how often."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TWINS
from peers.conftest import missing

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "dns_server.py"
QUESTIONS = int(os.environ.get("DNS_QUESTIONS", "200"))
PATIENCE = 100


@pytest.fixture(params=TWINS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the server over each twin; it has to say nothing but where it is."""
    twin = "1" if request.param == "c" else "0"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "REACTOR_EXTENSION": twin}
    command, pipe = [sys.executable, "-W", "error", str(EXAMPLE), "127.0.0.1", "0"], subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline().rpartition(":")[2])
        server.terminate()
        assert (*server.communicate(timeout=PATIENCE), server.returncode) == ("", "", 0)


def ask(client: str, port: int, *words: str) -> list[str]:
    if shutil.which(client) is None:
        missing(f"{client} isn't installed: Debian's {'knot' if client == 'kdig' else 'bind9'}-dnsutils has it")
    command = [client, "@127.0.0.1", "-p", str(port), "+short", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    return list(filter(None, done.stdout.splitlines()))  # kdig has an empty line for an answer that was cut


def address_of(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def test_dig_gets_every_address(port: int, tmp_path: Path) -> None:
    batch = tmp_path / "questions"
    batch.write_text("".join(f"{number}.example\n" for number in range(QUESTIONS)))
    assert ask("dig", port, "-f", str(batch)) == [address_of(number) for number in range(QUESTIONS)]


def test_kdig_gets_every_address(port: int) -> None:
    for first in range(0, QUESTIONS, 100):
        numbers = range(first, min(first + 100, QUESTIONS))
        assert ask("kdig", port, *(f"{number}.example" for number in numbers)) == [*map(address_of, numbers)]


@pytest.mark.parametrize("client", ["dig", "kdig"])
def test_what_is_too_long_for_a_datagram_comes_over_tcp(port: int, client: str) -> None:
    assert ask(client, port, "300.example", "TXT") == [f'"line {number}"' for number in range(300)]


@pytest.mark.parametrize("client", ["dig", "kdig"])
def test_a_name_that_is_not_there_has_no_address(port: int, client: str) -> None:
    assert ask(client, port, "nobody.test") == []


def test_what_is_no_question_is_passed_over(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(PATIENCE)
        for nonsense in (b"", b"\0", bytes(12), b"\xff" * 512):
            sock.send(nonsense)
        sock.send(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x015\x07example\0" + struct.pack(">HH", 1, 1))
        assert sock.recv(512)[-4:] == bytes([10, 0, 0, 5])


def test_the_server_has_less_than_60_lines() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 60
