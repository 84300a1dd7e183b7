# Every target sets up its own environment first: .venv, pinned by constraints.txt, redone only when one of
# Makefile, pyproject.toml or constraints.txt has changed. `make demo` and `make test` are all a fresh clone needs.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread per process, a process per core: more threads than cores only wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lint types budgets docs bench fuzz hostile kill faults clean

help:
	@echo "make demo     predict four properties of the crystals in examples/"
	@echo "make test     run the whole test suite"
	@echo "make check    format, lint, types, docs, budgets and tests: what a change has to pass"
	@echo "make format   rewrite the code in the house format"
	@echo "make bench    time every stage against the plain reference"
	@echo "make fuzz     read 20,000 mutated files and write the result card"
	@echo "make hostile  send 500 hostile requests to the service and write the result card"
	@echo "make kill     kill long commands twenty times each and compare what comes out, with a result card"
	@echo "make faults   screen while commands and workers are killed, the disk is full, bits flip; with a result card"
	@echo "make docs     build the site into site/"
	@echo "make clean    remove what was built, the environment included"

setup: $(READY)

$(READY): Makefile pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "cryskit needs Python 3.11 or newer, and none is on the PATH." \
		"Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks venv or pip." \
		"Install them (Debian, Ubuntu: the package python3-venv) and call make again." >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)
	@$(BIN)/cryskit predict examples --property formation_energy_per_atom --property band_gap \
		--property bulk_modulus --property shear_modulus

test: $(READY)
	$(PYTEST)

# The budgets (tests/budgets) are part of the test suite; tests come last so that their closing line is the last line.
check: lint types docs test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

budgets: $(READY)
	$(BIN)/python -m pytest tests/budgets

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(READY)
	$(BIN)/python -m benchmarks.speed

fuzz: $(READY)
	PYTHONPATH=tests $(BIN)/python -m fuzz.run

hostile: $(READY)
	PYTHONPATH=tests $(BIN)/python -m hostile.run

kill: $(READY)
	$(BIN)/python tests/kill/kills.py all 20 14

faults: $(READY)
	$(BIN)/python -m benchmarks.studies.faults

clean:
	rm -rf $(VENV) build dist site .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
