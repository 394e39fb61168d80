# `make help` lists what there is. Everything runs in .venv, which is made once and again when the lock changes.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONNOUSERSITE := 1
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup repro test lint track ui clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(READY) ## the whole pipeline: data, training, reports, MLflow
	@groundwork check
	@dvc repro
	@if [ -n "$$MLFLOW_TRACKING_URI" ] || [ ! -e mlflow.db ]; then groundwork track; fi  # DVC cannot see MLflow's store
	@groundwork show

test: $(READY) ## all tests
	@python -m pytest

lint: $(READY) ## style and types
	@ruff check
	@ruff format --check
	@mypy

track: $(READY) ## show the results on disk in MLflow
	@groundwork track

ui: $(READY) ## compare the runs in MLflow's UI, on 127.0.0.1
	@groundwork ui

setup: $(READY) ## only install

clean: ## delete .venv and MLflow's store; data and reports stay
	rm -rf .venv mlflow.db* mlruns data/tracked.json

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is not Python 3.11 or later; name one that is: make PYTHON=python3.11 …" >&2; exit 1; }
	@echo "Installing into .venv (once; a few minutes on a slow line)"
	@$(PYTHON) -m venv .venv || \
		{ echo "error: $(PYTHON) cannot make a virtual environment; on Debian install python3-venv" >&2; exit 1; }
	@pip install --disable-pip-version-check --requirement requirements.lock
	@pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)
