"""Fuzz the twins against each other, guided by what the input reaches: `pip install atheris`, then

    python tests/fuzz/fuzz_codec.py build/fuzz tests/fuzz/corpus -max_len=128 -max_total_time=600

New inputs are kept in the first folder; every flag is libFuzzer's. With the path of a file alone it runs that input.

The pure twin guides by itself. The compiled one does too if it was built with CC=clang and
CFLAGS=-fsanitize=fuzzer-no-link, and runs with LD_PRELOAD=$(python -c "import atheris; print(atheris.path())")/
ubsan_with_fuzzer.so, where its counters find libFuzzer.
"""

import sys

import atheris

with atheris.instrument_imports(include=["reactor"]):
    import target

if __name__ == "__main__":
    atheris.Setup(sys.argv, target.check)
    atheris.Fuzz()
