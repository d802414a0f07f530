"""Scripts that have failed once, and what chance makes: no coverage guides this, but it needs nothing installed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from reactor._mode import compiled_wanted

if compiled_wanted() is False:
    pytest.skip("REACTOR_EXTENSION=0: the compiled twin is not to be loaded", allow_module_level=True)

from fuzz import road
from fuzz.links import Fault

from reactor.transport import _stream_py

SCRIPTS = sorted((Path(__file__).parent / "scripts").iterdir())
_ROUNDS = int(os.environ.get("REACTOR_FUZZ_ROUNDS", "200")) // 8  # scripts of chance, plain and TLS: each is dear
SENDS = bytes([*bytes(6), 0, 0, 4])  # a write of 300 bytes, at once


@pytest.mark.parametrize("script", SCRIPTS, ids=[each.name for each in SCRIPTS])
def test_a_script_that_failed_once(script: Path) -> None:
    data = script.read_bytes()
    road.check(data[1:], sealed=data[:1] >= b"\x80")


@pytest.mark.timeout(120 + 2 * _ROUNDS)
@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "tls"])
def test_scripts_of_chance(sealed: bool) -> None:
    chance = random.Random("road")
    for _ in range(_ROUNDS):
        road.check(chance.randbytes(road.SETUP + 3 * chance.choice([10, 30, 60])), sealed)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "tls"])
def test_a_script_of_any_length_is_a_script(sealed: bool) -> None:
    for size in range(10):
        road.check(bytes(size), sealed)


def test_a_stream_that_cheats_would_be_found_and_its_script_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer isn't blind: a twin that loses one write is caught, and the fault says how to see it again."""
    write = _stream_py.Stream.write
    monkeypatch.setattr(_stream_py.Stream, "write", lambda self, data: write(self, bytes(data)[1:]))
    with pytest.raises(Fault, match=r"(?s)in py: road.check.*steps write@now\(4\)"):
        road.check(SENDS + bytes([7 * 2 + 1, 0, 3] * 4), sealed=False)


def test_a_script_that_fails_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    write = _stream_py.Stream.write
    monkeypatch.setattr(_stream_py.Stream, "write", lambda self, data: write(self, bytes(data)[1:]))
    script = bytes(6) + bytes([1, 0, 0] * 9) + SENDS[6:] + bytes([1, 0, 0] * 9)
    assert road.shrunk(script, sealed=False) == SENDS
