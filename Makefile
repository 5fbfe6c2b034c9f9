# All commands that people and CI need. Everything runs in .venv, which is created on first use.
#   make demo    train, evaluate and try a classifier on texts that every installation has (minutes, no download)
#   make test    run the tests             make check   formatting, lint, types, layers, file sizes
#   make bench   run the benchmarks        make docs    run every code block of README and docs
SHELL  := bash
PYTHON ?= python3
BIN    := .venv/bin
STAMP  := .venv/.installed
export MPLCONFIGDIR := $(CURDIR)/.venv/.matplotlib
export HF_HUB_OFFLINE := 1

.PHONY: demo test check bench docs
.DEFAULT_GOAL := demo

demo: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_package.py

bench: $(STAMP)
	$(BIN)/python bench/speed.py

docs: $(STAMP)
	$(BIN)/python -m pytest tests/test_docs.py src

$(STAMP): pyproject.toml .ci/constraints.txt
	@test -x $(BIN)/pip || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Ulmus needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not found)." >&2; \
	  echo "Install it, or name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	@touch $@
