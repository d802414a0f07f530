"""The fuzzer's seeds, and what becomes of them by chance: no coverage guides this, but it needs nothing installed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from reactor._mode import compiled_wanted

if compiled_wanted() is False:
    pytest.skip("REACTOR_EXTENSION=0: the compiled twin is not to be loaded", allow_module_level=True)

from fuzz import target

SEEDS = sorted((Path(__file__).parent / "corpus").iterdir())
_ROUNDS = int(os.environ.get("REACTOR_FUZZ_ROUNDS", "200"))  # mutants of each seed; `make asan` makes many


@pytest.mark.parametrize("seed", SEEDS, ids=[seed.name for seed in SEEDS])
def test_the_twins_take_every_step_of_a_seed_alike(seed: Path) -> None:
    target.check(seed.read_bytes())


@pytest.mark.timeout(120 + _ROUNDS / 50)
@pytest.mark.parametrize("seed", SEEDS, ids=[seed.name for seed in SEEDS])
def test_the_twins_take_every_step_of_a_mutant_alike(seed: Path) -> None:
    chance = random.Random(seed.name)
    for _ in range(_ROUNDS):
        target.check(mutant(chance, seed.read_bytes()))


def mutant(chance: random.Random, data: bytes) -> bytes:
    """Change some bytes, and now and then put in some or take some out."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        kind = chance.randrange(4)
        if kind < 2:
            changed[at] = chance.choice([chance.randrange(256), chance.randrange(20), changed[at] ^ 1, 0, 0x80, 0xFF])
        elif kind == 2:
            changed[at:at] = chance.randbytes(chance.randint(1, 6))
        elif len(changed) > target.HEADER + 8:
            del changed[at : at + chance.randint(1, 6)]
    return bytes(changed)


def test_an_input_of_any_length_is_an_input() -> None:
    for size in range(40):
        target.check(bytes(size))
        target.check(b"\xff" * size)


def test_a_difference_between_the_twins_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer isn't blind: a twin that forgets one byte of a frame is caught by the first seed that has a frame."""

    class Forgetful(target.pure.Decoder):
        def feed(self, data: bytes) -> list[bytes]:
            return [frame[:-1] for frame in super().feed(data)]

    monkeypatch.setattr(target.pure, "Decoder", Forgetful)
    with pytest.raises(AssertionError, match=r"(?s)Framing\(\).*steps.*pure .*compiled "):
        target.check((Path(__file__).parent / "corpus" / "many-good-frames").read_bytes())
