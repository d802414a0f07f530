# Needs python3 with venv, make and gcc. Everything else is set up here, in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Hundreds of children of the tests import reactor: with bytecode that is kept each takes 0.16 s instead of 0.37.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help demo test test-pure lint type bench bench-quick counts counts-store fuzz soak asan dist vendored docs docs-check clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/ready: pyproject.toml setup.py $(wildcard src_ext/*.p* reactor/*/*.pxd)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip "setuptools>=77"
	$(BIN)/pip install --quiet --editable ".[test,peers,lint]"
	touch $@

demo: $(VENV)/ready  ## a server and fifty clients for three seconds, every echo compared
	$(BIN)/python -m reactor demo

test: $(VENV)/ready  ## the tests, over both twins, on every core
	$(BIN)/pytest -n auto

test-pure: $(VENV)/ready  ## the tests without the compiled twin
	REACTOR_EXTENSION=0 $(BIN)/pytest -n auto

lint: $(VENV)/ready  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/ready  ## mypy --strict
	$(BIN)/mypy

$(VENV)/bench: $(VENV)/ready
	$(BIN)/pip install --quiet --editable ".[bench]"
	touch $@

bench: $(VENV)/bench  ## every table and picture: messages, waits, memory, accept, loops, codec (30 minutes; Linux, two cores)
	$(BIN)/python bench/bench_echo.py --cases promised raw tls unix broadcast matrix --json bench/out/echo.json
	$(BIN)/python bench/bench_tail.py --json bench/out/tail.json
	$(BIN)/python bench/bench_memory.py --json bench/out/memory.json
	$(BIN)/python bench/bench_accept.py --json bench/out/accept.json
	$(BIN)/python bench/bench_udp.py --json bench/out/udp.json
	$(BIN)/python bench/bench_idle.py --json bench/out/idle.json
	$(BIN)/python bench/bench_loop.py --json bench/out/loop.json
	$(BIN)/python bench/charts.py
	$(BIN)/pytest bench/bench_codec.py --benchmark-enable --benchmark-columns=min,median,iqr,rounds --benchmark-sort=min -q

bench-quick: $(VENV)/bench  ## the same in five minutes: fewer servers and rounds, no pictures
	$(BIN)/python bench/bench_echo.py --quick --cases promised raw tls unix broadcast
	$(BIN)/python bench/bench_tail.py --quick
	$(BIN)/python bench/bench_memory.py --quick
	$(BIN)/python bench/bench_accept.py --quick
	$(BIN)/python bench/bench_udp.py --quick
	$(BIN)/python bench/bench_idle.py --quick
	$(BIN)/python bench/bench_loop.py --quick
	$(BIN)/pytest bench/bench_codec.py -k "keeps and 64" -q

counts: $(VENV)/ready  ## instructions and system calls, held against what is stored (valgrind; CPython 3.11 on x86_64)
	$(BIN)/python bench/bench_counts.py --check

counts-store: $(VENV)/ready  ## count anew, and hold later counts against that: bench/counts.json
	$(BIN)/python bench/bench_counts.py --store

fuzz: $(VENV)/ready  ## the codec, then the road, both twins against each other, guided by coverage (FUZZ= sets libFuzzer's flags)
	$(BIN)/pip install --quiet "atheris>=3"
	mkdir -p build/fuzz build/fuzz_road
	$(BIN)/python tests/fuzz/fuzz_codec.py build/fuzz tests/fuzz/corpus -artifact_prefix=build/ \
	    -max_len=80 $(or $(FUZZ),-max_total_time=300)
	$(BIN)/python tests/fuzz/fuzz_road.py build/fuzz_road tests/fuzz/scripts -artifact_prefix=build/ \
	    -max_len=367 -len_control=0 $(or $(FUZZ),-max_total_time=300)

soak: $(VENV)/ready  ## a simulated week of 50 clients and every fault (SOAK= sets --days and --seed)
	PYTHONPATH=. $(BIN)/python tests/testing/soak.py $(SOAK)

asan: $(VENV)/ready  ## the tests over compiled twins that AddressSanitizer watches
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && set -e; \
	cp -r reactor src_ext setup.py pyproject.toml MANIFEST.in README.md LICENSE "$$work"; \
	rm -f "$$work"/reactor/*/*.so; \
	CFLAGS="-fsanitize=address -fno-omit-frame-pointer -g -O1" LDFLAGS=-fsanitize=address REACTOR_EXTENSION=1 \
	    $(BIN)/pip install --quiet --no-deps --target "$$work/site" "$$work"; \
	export PYTHONPATH="$$work/site" REACTOR_EXTENSION=1 REACTOR_FUZZ_ROUNDS=1000 PYTHONMALLOC=malloc \
	    ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$(gcc -print-file-name=libasan.so)"; \
	$(BIN)/pytest tests/framing tests/test_protocol.py tests/fuzz tests/transport tests/road tests/datagram \
	    --deselect tests/transport/test_streaming.py::test_four_gibibytes_pass_in_a_few_mebibytes

dist:  ## an sdist and wheels, built twice, each installed and tested on every Python that is found (an hour)
	.ci/dist

vendored: $(VENV)/ready  ## four copies in one process, one of them compiled, on PYTHONS (all of pyenv's from 3.10 on)
	$(BIN)/python tests/vendored/everywhere.py $(or $(PYTHONS),$(wildcard $(HOME)/.pyenv/versions/3.1[0-3].*/bin/python))

# Without the twins, which stay as they lie: the pages are made of the sources alone.
$(VENV)/docs: $(VENV)/ready
	REACTOR_EXTENSION=0 $(BIN)/pip install --quiet --editable ".[docs]"
	touch $@

docs: export REACTOR_EXTENSION = 0
docs: $(VENV)/docs  ## the site, into site/: every link is followed, a warning fails
	rm -rf site
	$(BIN)/python docs/pages.py build/pages
	$(BIN)/sphinx-build -q -W --keep-going -E -d build/doctrees -c docs build/pages site

docs-check: docs  ## the site in a real browser, at two widths, light and dark (Debian's chromium and chromium-driver)
	$(BIN)/pip install --quiet --editable ".[docs-check]"
	$(BIN)/python docs/check.py

clean:  ## forget what was built
	rm -rf $(VENV) .venv .venv-* build dist site *.egg-info src_ext/*.c reactor/*/*.so
