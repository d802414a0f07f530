# Needs python3 with venv, make and gcc. Everything else is set up here, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-pure lint type bench fuzz asan clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/ready: pyproject.toml setup.py $(wildcard src_ext/*.pyx)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip "setuptools>=77"
	$(BIN)/pip install --quiet --editable ".[test,peers,lint]"
	touch $@

demo: $(VENV)/ready  ## a server and fifty clients for three seconds, every echo compared
	$(BIN)/python -m reactor demo

test: $(VENV)/ready  ## the tests, over both twins
	$(BIN)/pytest

test-pure: $(VENV)/ready  ## the tests without the compiled twin
	REACTOR_EXTENSION=0 $(BIN)/pytest

lint: $(VENV)/ready  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/ready  ## mypy --strict
	$(BIN)/mypy

bench: $(VENV)/ready  ## the tables: codec against its floor and its peers
	$(BIN)/pip install --quiet --editable ".[bench]"
	$(BIN)/pytest bench/bench_codec.py --benchmark-enable --benchmark-columns=min,median,iqr,rounds --benchmark-sort=min -q

fuzz: $(VENV)/ready  ## both twins against each other, guided by coverage, for ten minutes (FUZZ= sets libFuzzer's flags)
	$(BIN)/pip install --quiet atheris
	mkdir -p build/fuzz
	PYTHONPATH=tests/fuzz $(BIN)/python tests/fuzz/fuzz_codec.py build/fuzz tests/fuzz/corpus $(or $(FUZZ),-max_len=128 -max_total_time=600)

asan: $(VENV)/ready  ## the codec's tests with the compiled twins under AddressSanitizer
	rm -rf build/asan && mkdir -p build/asan
	cp -r pyproject.toml setup.py README.md LICENSE MANIFEST.in docs src_ext reactor tests bench build/asan
	rm -f build/asan/reactor/*/*.so
	cd build/asan && CFLAGS="-fsanitize=address -fno-omit-frame-pointer -O1 -g" REACTOR_EXTENSION=1 \
	    ../../$(BIN)/python setup.py -q build_ext --inplace
	cd build/asan && LD_PRELOAD=$$(gcc -print-file-name=libasan.so) PYTHONMALLOC=malloc \
	    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 PYTHONPATH=. REACTOR_EXTENSION=1 \
	    ../../$(BIN)/pytest -q tests/framing/test_codec.py tests/framing/test_vectors.py tests/framing/test_twins.py \
	    tests/fuzz tests/test_protocol.py tests/transport/test_pump.py

clean:  ## forget what was built
	rm -rf $(VENV) build dist *.egg-info src_ext/*.c reactor/*/*.so
