# Every target sets up what it needs by itself: `make` alone lists them.
SHELL := /bin/sh
VENV  ?= .venv
BIN   := $(VENV)/bin
ARGS  ?=
# A third of the tests' time is waiting: one job more than the two cores of a small machine.
JOBS  ?= 3
export VENV
# Each process would else read 300 files anew at its start: the tests start many.
export PYTHONDONTWRITEBYTECODE =

RUN   := embedded,fast,numbers
TEST  := $(RUN),test
CHECK := $(TEST),dev
BENCH := $(TEST),bench

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format sim chaos bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## .venv with everything needed to run, test and check
	@./bootstrap.sh $(CHECK)

demo: ## a real campaign through a simulated Meta, with a verdict; no root, no server needed
	@./bootstrap.sh $(RUN)
	@$(BIN)/penstock demo $(ARGS)

test: ## the whole test suite, on a real Redis; ARGS="-k quota" for a part, JOBS=0 one by one
	@./bootstrap.sh $(TEST)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: ## format, lint, types twice, import contracts
	@./bootstrap.sh $(CHECK)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: ## rewrite the source in the house's format
	@./bootstrap.sh $(CHECK)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sim: ## weeks in virtual time, more seeds than the suite; PENSTOCK_TEST_SEEDS=50
	@./bootstrap.sh $(TEST)
	@PENSTOCK_TEST_SEEDS=$${PENSTOCK_TEST_SEEDS:-20} $(BIN)/python -m pytest tests/simulation tests/contract/test_ledgers.py --timeout 600 $(ARGS)

chaos: ## kill, cut and stall things for longer, the demo without each gate; PENSTOCK_CHAOS_ROUNDS=50
	@./bootstrap.sh $(TEST)
	@PENSTOCK_TEST_CHAOS_ROUNDS=$${PENSTOCK_CHAOS_ROUNDS:-20} $(BIN)/python -m pytest tests/e2e/test_chaos.py tests/e2e/test_processes.py $(ARGS)

bench: ## measure; the tables of benchmarks/README.md; ARGS=--smoke for a quick look
	@./bootstrap.sh $(BENCH)
	@$(BIN)/python -m benchmarks.run $(ARGS)

clean: ## remove .venv and caches (not .penstock: that is data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
