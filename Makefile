# Everything a developer does here. `make` alone says what there is.
#
# The tools live in .venv, which every target that needs them makes by itself and makes anew only when the lock changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.made-from-lock
PYTEST := $(BIN)/python -m pytest
# Two at a time, each with servers of its own. On servers that were given there is room for one platform only, and the long
# form of the fault tests has the machine for itself.
WORKERS := $(if $(OKACRM_POSTGRES_URL)$(OKACRM_AMQP_URL)$(OKACRM_CHAOS),0,2)

.DEFAULT_GOAL := help
.PHONY: help run test check demo bench chaos lint types access settings contracts format lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: $(READY) ## Run the platform here until Ctrl-C
	@exec $(BIN)/okacrm up

test: $(READY) ## Run all tests on servers of their own, beside a running platform if there is one
	$(PYTEST) tests --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint types ## Check style and types and run the tests that need no servers, within two minutes
	$(PYTEST) tests/unit --quiet --numprocesses 2 --dist loadfile --no-loadscope-reorder

chaos: $(READY) ## Run the fault tests at length
	OKACRM_CHAOS=long $(PYTEST) tests/chaos

demo: $(READY) ## Tell the story of a person and their data on the running platform
	@exec $(BIN)/python -m deploy.demo

bench: $(READY) ## Measure
	@exec $(BIN)/python -m tests.bench

lint: $(READY) ## Check style and the walls between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY) ## Check types
	$(BIN)/mypy

access: $(READY) ## Write docs/access.md anew from the route tables
	$(BIN)/okacrm access > docs/access.md

settings: $(READY) ## Write docs/settings.md anew from the declarations
	$(BIN)/okacrm settings > docs/settings.md

contracts: $(READY) ## Write the catalogue of events and what subscribers are promised anew from the contracts
	$(BIN)/okacrm events publish-contracts shared/contracts/published.json
	$(BIN)/okacrm events catalogue > docs/event-catalogue.md

format: $(READY) ## Format the code and sort its imports
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lock: $(READY) ## Choose versions anew within pyproject.toml, keeping those that still fit
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra local --extra dev --output-file requirements.lock pyproject.toml

clean: ## Remove the tools and what they left; data in .local stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Okacrm needs Python 3.11 or later: make PYTHON=python3.x")'
	@echo 'Installing the tools and libraries into $(VENV), once; this takes a minute or two'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
