# `make` prints this list. Each target needs a bare clone and Python 3.11 (or PYTHON=...), nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT ?= mimetic-demo
QUICK := "not slow and not browser"

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check coverage mutation guards audit fuzz crash bench docs format release constraints clean

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/core  ## the whole system on video files it makes itself, into $(OUT)/ (about five minutes)
	$(BIN)/mimetic demo --out $(OUT)

test: .venv/dev  ## the tests, without the slow ones (under ten minutes)
	$(BIN)/python -m pytest -q -m $(QUICK)

test-all: .venv/dev  ## all tests (under 45 minutes)
	$(BIN)/python -m pytest -q

check: .venv/dev  ## format, lint, types, tests with warnings as errors
	$(BIN)/ruff format --check src tests benchmarks tools examples
	$(BIN)/ruff check src tests benchmarks tools examples
	$(BIN)/mypy
	$(BIN)/python tools/dependencies.py
	$(BIN)/python -m pytest -q -m $(QUICK)

coverage: .venv/dev  ## which lines the tests of `make test` reach (under half an hour)
	$(BIN)/python -m pytest -q -m $(QUICK) --cov --cov-report=term

mutation: .venv/dev  ## small faults in scores, batches, store and evidence: which the tests notice (ten minutes)
	$(BIN)/python tools/mutation.py

guards: .venv/dev  ## takes each guard of a promise out, in a copy, and sees its test fail (ten minutes)
	$(BIN)/python tools/guards.py --out results/guards.md

audit: .venv/dev  ## known vulnerabilities of what is installed (needs a network)
	$(PIP) pip-audit
	$(BIN)/pip-audit --skip-editable

MINUTES ?= 5

fuzz: .venv/dev  ## every parser, MINUTES each, guided by coverage; what it finds is kept in .fuzz/
	$(PIP) atheris
	for target in $$(ls tests/corpus); do \
	  $(BIN)/python tools/fuzz.py $$target -max_total_time=$$(( $(MINUTES) * 60 )) || exit 1; done

crash: .venv/dev  ## kills every job at every touch of the disk, and at random; and files made to harm (half an hour)
	$(BIN)/python tests/killed.py --points 0 --random 100
	$(BIN)/python tests/hostile.py --count 20000

bench: .venv/dev  ## the benchmarks that need nothing but this machine, into results/
	$(BIN)/mimetic bench extraction --out results
	$(BIN)/mimetic bench training --out results
	$(BIN)/python benchmarks/memory.py --out results
	$(BIN)/python benchmarks/predicting.py --out results

docs: .venv/dev  ## the documentation, into site/ (nothing in it comes from a network)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html; with search: $(BIN)/python -m http.server --directory site"

format: .venv/dev  ## put the code in its form
	$(BIN)/ruff format src tests benchmarks tools examples
	$(BIN)/ruff check --fix src tests benchmarks tools examples

release: .venv/release  ## wheel and sdist in dist/, checked, installed where nothing else is, the demo run from there
	./tools/release.sh $(BIN)/python

constraints:  ## renew constraints.txt (needs uv)
	./tools/constraints.sh > constraints.tmp && mv constraints.tmp constraints.txt

clean:  ## remove what make made, data and runs excepted
	rm -rf .venv .mypy_cache .ruff_cache .coverage dist build site

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/core: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

.venv/dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev,face,sentence,speed,vad,asr,prosody,lora,sweep,scale,tensorboard,web,docs]'
	@touch .venv/core $@

.venv/release: $(BIN)/python pyproject.toml
	$(PIP) build twine
	@touch $@
