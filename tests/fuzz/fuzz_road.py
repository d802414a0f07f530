"""Fuzz the road, guided by what a script reaches: `pip install atheris`, then

    python tests/fuzz/fuzz_road.py build/fuzz_road tests/fuzz/scripts -max_len=367 -len_control=0 -max_total_time=600

The first byte of an input says whether the road is TLS. It is else as with fuzz_codec.py.
"""

import sys
from pathlib import Path

import atheris

sys.path[0] = str(Path(__file__).parents[1])  # where the tests import from; tests/road is no module of this folder

with atheris.instrument_imports(include=["reactor"]):
    from fuzz import road


def check(data: bytes) -> None:
    road.check(data[1:], sealed=data[:1] >= b"\x80")


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
