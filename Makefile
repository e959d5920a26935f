# Everything goes through a virtual environment of its own; Python 3.11, make and pip are enough.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet install

.DEFAULT_GOAL := help
.PHONY: help run test lint format types bench bench-quick clean

help: ## show what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(VENV)/run ## probe the embedded demo targets until Ctrl-C
	$(BIN)/prober demo --log-format console

test: $(VENV)/dev ## run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/dev ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/dev ## put code into format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/dev ## check types
	$(BIN)/mypy

bench: $(VENV)/run ## measure beside HAProxy, blackbox_exporter and a C program, and keep the results
	bench/install
	$(BIN)/python -m bench --many --write

bench-quick: $(VENV)/run ## measure CPU per probe against bare sockets, before and after a change
	$(BIN)/python -m bench.quick

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Debian's venv module has no pip of its own without a further package, hence --without-pip.
$(BIN)/python:
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/run: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/run
