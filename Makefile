# `make` prints this list. Each target needs a bare clone and Python 3.11 (or PYTHON=...), nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT ?= mimetic-demo
QUICK := "not slow and not browser"

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench format release constraints clean

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/core  ## the whole system on video files it makes itself, into $(OUT)/ (about six minutes)
	$(BIN)/mimetic demo --out $(OUT)

test: .venv/dev  ## the tests, without the slow ones (under ten minutes)
	$(BIN)/python -m pytest -q -m $(QUICK)

test-all: .venv/dev  ## all tests (under 45 minutes)
	$(BIN)/python -m pytest -q

check: .venv/dev  ## format, lint, types, tests with warnings as errors
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m $(QUICK)

bench: .venv/dev  ## the benchmarks that need nothing but this machine, into results/
	$(BIN)/python benchmarks/memory.py --out results

format: .venv/dev  ## put the code in its form
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

release: .venv/release  ## wheel and sdist in dist/, checked, installed where nothing else is, the demo run from there
	./tools/release.sh $(BIN)/python

constraints:  ## renew constraints.txt (needs uv)
	./tools/constraints.sh > constraints.tmp && mv constraints.tmp constraints.txt

clean:  ## remove what make made, data and runs excepted
	rm -rf .venv .mypy_cache .ruff_cache .coverage dist build

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/core: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

.venv/dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev,face,sentence,speed,vad,asr,prosody,lora,web]'
	@touch .venv/core $@

.venv/release: $(BIN)/python pyproject.toml
	$(PIP) build twine
	@touch $@
