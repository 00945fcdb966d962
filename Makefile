# `make help` lists what there is. Everything runs in .venv, which is made when needed.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && exit; done; echo python3)
PY := .venv/bin/python
# Dozens of programs start here. Without bytecode each of them compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
ENVIRONMENT := xerotier_site/embedded/environment.py
T ?=
# Tests of what decides, without a platform: compiled it has to decide the same.
PURE := $(addprefix inference/tests/test_,decide.py predictors.py prefixes.py routing_state.py choice.py recorder.py sight.py habits.py)
# Tests that make up what they are given: each run tries a share of it, `make fuzz` all.
MADE_UP := api/tests/test_fuzz.py tests/test_money_history.py $(addprefix inference/tests/test_,admission_history.py \
	dialects.py fast_read.py splice_property.py sse.py streamed_splice.py)
MINUTES ?= 10
N ?= auto

.DEFAULT_GOAL := help
ROUNDS ?= 26
SEED ?=

.PHONY: help run test fuzz compiled test-compiled bench bench-routing pairs chaos soak mutants check lint types fmt lock env env-dev env-clients clients python clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  Knobs of run: PORT HOST XEROTIER_HOME DATABASE_URL VALKEY_URL XEROTIER_MODEL=0 PYTHON'

run: env ## Start the whole platform on this machine
	@exec $(PY) -m xerotier_site.embedded

test: env-dev ## Run every test (T=path or T="-k word" for some of them)
	@$(PY) -m tests.tools.browser
	@$(PY) -m tests.tools.nginx
	$(PY) -m pytest -n $(N) $(T)

fuzz: env-dev ## Run the tests that make up what they are given, with all of it (a usual run: half)
	$(PY) -m pytest -n $(N) --thorough $(or $(T),$(MADE_UP))

compiled: env-dev ## Compile the data plane (mypyc): the server takes it while the sources are these
	@$(PY) -m xerotier_site.compiled

test-compiled: compiled ## Run the plane's tests once more, over the compiled plane (FAST=1: one edge)
	$(PY) -m pytest -n $(N) --compiled $(or $(T),tests/plane $(PURE)) $(if $(FAST),-k "fast or inference")

bench: compiled ## Compare with other gateways (QUICK=1: one round); writes bench/latest.json
	$(PY) -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

bench-routing: env-dev ## Set our router against the rules of others, in simulated time (QUICK=1); writes bench/routing.json
	$(PY) -m bench.routing $(if $(QUICK),--quick)

soak: compiled ## Load two gateways for MINUTES (10); a third of the callers leaves
	$(PY) -m tests.soak --minutes $(MINUTES)

pairs: env-dev ## Play 10,000 hostile workers before hostile callers, and compare what was charged (SEED=…)
	$(PY) -m pytest -n 0 inference/tests/test_pairs.py --pairs 10000 $(if $(SEED),--fuzz-seed $(SEED))

chaos: env-dev ## Kill everything again and again under load, then compare the books (T=metering or T=fleet, ROUNDS, SEED)
	$(PY) -m tests.chaos $(or $(T),metering) --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

mutants: env-dev ## Put faults into what money and tenants hang on: do its own tests notice? (ONLY=part of a name)
	$(PY) -m tests.mutants $(if $(ONLY),--only $(ONLY))

check: lint types ## Format, lint, import contracts, types, holes, generated files

lint: env-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	cd xim/src && ../../.venv/bin/lint-imports --config ../pyproject.toml
	.venv/bin/bandit -q -r . -c pyproject.toml -ll -ii
	$(PY) -m tests.tools.generated
	$(PY) -m tests.tools.advisories

types: env-dev
	.venv/bin/mypy .

fmt: env-dev ## Format, and mend what the linter can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: env-dev ## Compile the requirements, pinned and hashed
	$(PY) -m tests.tools.lock

env: python
	@$(PYTHON) $(ENVIRONMENT)

env-clients: env-dev
	@$(PY) -m tests.tools.clients

clients: env-clients ## Run the guides' examples with the clients of others, which are installed for it
	$(PY) -m pytest -n 0 tests/docs/test_snippets.py -k clients.md

env-dev: python
	@$(PYTHON) $(ENVIRONMENT) --dev

python:
	@command -v $(PYTHON) >/dev/null || { echo "Xerotier needs Python 3.11 or newer; there is no $(PYTHON)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Xerotier needs Python 3.11 or newer; $$($(PYTHON) --version 2>&1) is too old. Name another: make run PYTHON=python3.12" >&2; exit 1; }

clean: ## Remove the environment and caches (the data in var/ stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
