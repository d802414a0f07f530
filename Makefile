# Needs python3 with venv, make and gcc. Everything else is set up here, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-pure lint type bench check clean

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

clean:  ## forget what was built
	rm -rf $(VENV) build dist *.egg-info src_ext/*.c reactor/*/*.so
