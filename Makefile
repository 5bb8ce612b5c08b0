# The two commands of the README, and what developers use. Python >= 3.11, git and make are all that is needed.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN = $(VENV)/bin

.PHONY: demo test test-long lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/transferbound demo --out runs/demo

test: $(VENV)/test.stamp lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-long: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .coverage
