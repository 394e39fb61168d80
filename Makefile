# `make help` lists what there is. Everything runs in .venv, which is made once and again when the lock changes.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONNOUSERSITE := 1
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup repro test lint track ui verify bench reliability clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(READY) ## the whole pipeline: data, training, reports, MLflow
	@groundwork repro
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

bench: $(READY) .bench/ready ## speed beside fastai, d2l, PyTorch, JAX: docs/performance.md; a look: QUICK=1 ONLY=net
	@[ -e data/raw/mnist_sample.safetensors ] || dvc repro download@mnist_sample
	@.bench/bin/python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

verify: $(READY) ## rerun HEAD from nothing: the same bytes? the fast studies: QUICK=1; one: ONLY=planck
	@groundwork verify $(if $(QUICK),--quick) $(if $(ONLY),--study $(ONLY))

reliability: $(READY) ## inflict every harm, and write docs/reliability.md from what became of it
	@python -m pytest tests/reliability --write-page

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

.bench/ready: bench/requirements.txt requirements.lock pyproject.toml
	@echo "Installing the peers into .bench (once; a few minutes on a slow line)"
	@$(PYTHON) -m venv .bench
	@.bench/bin/pip install --disable-pip-version-check --requirement bench/requirements.txt --constraint requirements.lock
	@.bench/bin/pip install --disable-pip-version-check --quiet --no-deps fastai==2.8.12 d2l==1.0.3
	@.bench/bin/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch .bench/ready
