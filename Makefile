# `make run` and `make test` do all their set-up themselves; `make help` says what else there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BENCH_VENV := .venv-bench
MINIMUM_VENV := .venv-tf217
AZURITE := tests/standins/azure/node_modules
PYTHON := $(VENV)/bin/python
export PYTHONPATH := $(CURDIR):$(CURDIR)/plugins:$(CURDIR)/include/trainer/src
export TF_CPP_MIN_LOG_LEVEL := 2

# The first of these that is Python 3.11, 3.12 or 3.13. PYTHON3=… names another.
PYTHON3 ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { $$p -c 'import sys; print(sys.executable)'; break; }; done)

DATA ?=
COLLECTION ?=
WEIGHTS ?=
MINUTES ?=
CONFIG ?=
SPLIT ?=
TARGETS ?=
TARGET ?=
BUDGET ?=
HOMES ?=
ONLY ?=

.PHONY: help run rehearse smoke test test-trainer-minimum test-faults test-faults-clouds rehearse-labelling system system-faults faults-sqlite faults-postgres airflow tensorboard lint lock bench bench-surround bench-quality bench-labelling clean

help: ## this list
	@echo "make run    [DATA=folder|archive|URL|name] [WEIGHTS=imagenet|none|file] [MINUTES=n] [CONFIG=file.json|pipeline.config] [SPLIT=given] [TARGETS=vertex] [PORT=8080]"
	@echo "            DATA: images with Pascal VOC XML or COCO JSON; without it, handwritten digits made on the spot"
	@echo "make run    COLLECTION=name   as lanner.yaml has it"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

# Test files side by side, each whole: what a file or a session of tests shares is made once for it.
BY_FILE = --numprocesses logical --dist loadfile --no-loadscope-reorder

RUN_OPTIONS = $(if $(DATA),--data '$(DATA)') $(if $(COLLECTION),--collection '$(COLLECTION)') $(if $(WEIGHTS),--weights '$(WEIGHTS)') \
	$(if $(MINUTES),--minutes '$(MINUTES)') $(if $(CONFIG),--config '$(CONFIG)') $(if $(SPLIT),--split '$(SPLIT)') \
	$(if $(TARGETS),--targets '$(TARGETS)')

AZURE_WANTED = $(if $(TARGETS),$(findstring azure,$(TARGETS)),all)

run: $(VENV)/ready ## train, score and export a detector in an Airflow on this machine
	@$(PYTHON) -m include.laptop $(RUN_OPTIONS)

rehearse: $(VENV)/ready $(if $(AZURE_WANTED),$(AZURITE)/ready) ## the same with clouds that are stand-ins on this machine: no account, no network [TARGETS=vertex] [DATA=…]
	@$(PYTHON) -m tests.standins.rehearse $(RUN_OPTIONS)

airflow: $(VENV)/ready ## Airflow's UI on this project's DAGs, and nothing started in it
	@$(PYTHON) -m include.laptop --only-ui

tensorboard: $(VENV)/ready ## curves and pictures of all trainings on this machine
	$(VENV)/bin/tensorboard --logdir $${LANNER_HOME:-.lanner}/jobs --host 127.0.0.1

smoke: $(VENV)/ready ## the smallest real training in a cloud, with your connection; then all of it is removed TARGET=vertex BUDGET=dollars
	@$(PYTHON) -m training_jobs.smoke --target '$(TARGET)' --budget '$(BUDGET)'

test: $(VENV)/ready $(AZURITE)/ready system ## all tests, as many files at once as there are cores, at most four; one that hangs fails after 20 minutes
	$(PYTHON) -m pytest $(BY_FILE) --maxprocesses 4 --timeout 1200 --session-timeout 4500

test-trainer-minimum: $(MINIMUM_VENV)/ready ## the trainer's tests on TensorFlow 2.17, its oldest; Python 3.11 or 3.12
	$(MINIMUM_VENV)/bin/python -m pytest tests/trainer

test-faults: $(VENV)/ready system system-faults ## half an hour: parts of a real Airflow killed, frozen, locked, starved
	@$(MAKE) --no-print-directory -j 2 faults-sqlite faults-postgres

faults-sqlite:
	@set -o pipefail; $(PYTHON) -m pytest tests/faults -vv -m 'faults and not postgres and not clouds' --durations=0 2>&1 | sed -u 's/^/sqlite   /'

faults-postgres:
	@set -o pipefail; $(PYTHON) -m pytest tests/faults -vv -m 'faults and postgres' --durations=0 2>&1 | sed -u 's/^/postgres /'

test-faults-clouds: $(VENV)/ready $(AZURITE)/ready ## the same with trainings in the clouds' stand-ins, and calls to them that fail [TARGETS=vertex|sagemaker|azure_ml|custom_vision]
	$(PYTHON) -m pytest -vv -m 'faults and clouds' $(if $(TARGETS),-k '$(TARGETS)') --durations=0 --numprocesses 2 --dist worksteal

rehearse-labelling: $(VENV)/ready ## two batches without annotations labelled in a whole Airflow, by a simulated reviewer: with our own model, and with Custom Vision's stand-in
	$(PYTHON) -m pytest -vv -s -m 'faults and clouds' tests/labelling

# What tests need beyond Python, installed where that is allowed; without it those tests skip and say so.
# $(1): a command that succeeds if it is there; $(2): Debian's package
define debian_package
	@( $(1) ) >/dev/null 2>&1 || { \
		SUDO=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
		if command -v apt-get >/dev/null && { [ -z "$$SUDO" ] || $$SUDO true 2>/dev/null; }; then \
			echo "Installing $(2), which some tests need."; \
			$$SUDO apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq $(2) >/dev/null; \
		else echo "$(2) is not here and may not be installed; the tests that need it will skip."; fi; } || true
endef

system:
	$(call debian_package,command -v chromium || command -v google-chrome,chromium)

system-faults:
	$(call debian_package,ls /usr/lib/postgresql/*/bin/pg_ctl || command -v pg_ctl,postgresql)

bench: $(VENV)/ready $(BENCH_VENV)/ready ## measure against the plain way, into docs/benchmarks.md [ONLY='bench …'] [DATA='folder …'] [HOMES='state folder …']
	$(PYTHON) -m benches $(if $(ONLY),--only $(ONLY)) $(if $(DATA),--data $(DATA)) $(if $(HOMES),--homes $(HOMES))

bench-surround: $(VENV)/ready ## a whole run, and where its seconds go beside training [DATA=folder] [WEIGHTS=…]
	$(PYTHON) -m benches.surround --run --write $(if $(DATA),--data '$(DATA)') $(if $(WEIGHTS),--weights '$(WEIGHTS)')

bench-quality: $(VENV)/ready ## mAP50 on the hold-out, three seeds of the default preset for each folder [DATA='folder …'] [WEIGHTS=…]
	$(PYTHON) -m benches.quality $(DATA) $(if $(WEIGHTS),--weights '$(WEIGHTS)')

bench-labelling: $(VENV)/ready ## boxes drawn by hand to reach the mAP of full annotation; a training each round, hours [DATA=folder] [WEIGHTS=…]
	$(PYTHON) -m benches.labelling $(DATA) --write $(if $(WEIGHTS),--weights '$(WEIGHTS)')

lint: $(VENV)/ready ## ruff with Airflow's rules, formatting, types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lock: $(VENV)/ready ## requirements.in → requirements.txt, for Python 3.11 to 3.13
	$(VENV)/bin/uv pip compile requirements.in --universal --python-version 3.11 --no-header --upgrade -o requirements.txt
	$(VENV)/bin/uv pip compile requirements-bench.in --universal --python-version 3.11 --no-header --upgrade -o requirements-bench.txt

clean: ## remove the environment and all state; lanner.yaml stays
	rm -rf $(VENV) $(BENCH_VENV) $(MINIMUM_VENV) $(AZURITE) .lanner .pytest_cache .ruff_cache .mypy_cache .hypothesis

# The environment, made anew whenever the lock changes. uv comes first, into the environment itself.
$(VENV)/ready: requirements.txt
	@if [ -z "$(PYTHON3)" ]; then echo "Python 3.11, 3.12 or 3.13 is needed, and none is on PATH." \
		"Install one (Debian: apt install python3 python3-venv), or name it: make $(MAKECMDGOALS) PYTHON3=/path/to/python3"; exit 2; fi
	@"$(PYTHON3)" include/laptop/set_up.py $(VENV) requirements.txt

# Blob storage of Azure in rehearsals, by the environment's own Node. Without network what needs it skips and says so.
$(AZURITE)/ready: tests/standins/azure/package-lock.json | $(VENV)/ready
	@echo "Installing Azurite, which rehearses Azure's Blob storage."; \
		PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/npm ci --prefix $(dir $<) --ignore-scripts --no-audit --no-fund \
			--loglevel=error >/dev/null && touch $@ \
		|| echo "npm cannot install Azurite here (is there a registry?); what needs it will skip and say so."

# What benches measure against, kept out of the environment itself. Without network its rows are left out.
$(BENCH_VENV)/ready: requirements-bench.txt | $(VENV)/ready
	@rm -rf $(BENCH_VENV) && $(VENV)/bin/uv venv --quiet --python $(PYTHON) $(BENCH_VENV) \
		&& $(VENV)/bin/uv pip sync --quiet --python $(BENCH_VENV)/bin/python $< && touch $@ \
		|| { echo "supervision and awscli cannot be installed here; what is measured against them will be left out."; rm -rf $(BENCH_VENV); }

# The oldest TensorFlow that the trainer accepts, with what its own package asks for, and what its tests need.
$(MINIMUM_VENV)/ready: include/trainer/pyproject.toml | $(VENV)/ready
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { echo "TensorFlow 2.17 has no wheel for Python" \
		"3.13. With Python 3.11 or 3.12 as PYTHON3=… in another checkout this can be tested."; exit 2; }
	@rm -rf $(MINIMUM_VENV) && $(VENV)/bin/uv venv --quiet --python $(PYTHON) $(MINIMUM_VENV) \
		&& $(VENV)/bin/uv pip install --quiet --python $(MINIMUM_VENV)/bin/python "tensorflow==2.17.*" \
			-r include/trainer/pyproject.toml pytest hypothesis "setuptools>=77" && touch $@ \
		|| { echo "TensorFlow 2.17 cannot be installed here."; rm -rf $(MINIMUM_VENV); exit 2; }
