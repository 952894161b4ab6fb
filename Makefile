# Targets do their own set-up: `make demo` or `make test` is all that a fresh clone needs.
PYTHON_IN_VENV := .venv/bin/python
# Measured on two cores: three workers keep them busy, and four took no less time.
WORKERS ?= 3
PYTEST := $(PYTHON_IN_VENV) -m pytest -p tests.strictness

# Tests start hundreds of Python processes: let them share what they compile.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-all lint bench soak trees examples clean lock

help:
	@echo 'make demo      run the example service and its tests on real containers'
	@echo 'make test      run the tests'
	@echo 'make test-all  run every test but soak, bench and trees'
	@echo 'make lint      check style, format and types'
	@echo 'make bench     measure; make soak: run long; make examples: every example'
	@echo 'make trees     apply the migrations of Dagster, Langflow and Airflow (1.8 GB of packages)'
	@echo 'make setup     only the set-up; make lock: refresh requirements.lock; make clean: undo'

setup:
	@bash scripts/setup.sh tests

demo:
	@bash scripts/setup.sh
	@$(PYTHON_IN_VENV) scripts/demo.py

test: setup
	@$(PYTEST) tests -m "not slow and not soak and not trees" --wflo-require -n $(WORKERS)

test-all: setup
	@$(PYTHON_IN_VENV) scripts/trees.py optuna mlflow prefect
	@$(PYTEST) tests -m "not soak and not trees and not alone" --wflo-require -n $(WORKERS)
	@$(PYTEST) tests -m alone --wflo-require

soak: setup
	@rm -rf build/soak
	@$(PYTEST) tests -m soak --wflo-require
	@$(PYTHON_IN_VENV) -m tests.lifecycle.soak.ledger

trees: setup
	@$(PYTHON_IN_VENV) scripts/trees.py dagster langflow airflow
	@$(PYTEST) tests/trees -m trees --wflo-require

bench: setup
	@$(PYTHON_IN_VENV) -m benchmarks

examples: setup
	@$(PYTEST) examples --wflo-require

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy --strict wflo_testkit

lock: setup
	@$(PYTHON_IN_VENV) scripts/lock.py $(if $(UPGRADE),--upgrade)

# Images and the Docker daemon stay: `wflo-testkit clean` removes the kit's containers.
clean:
	@rm -rf .venv .setup build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
