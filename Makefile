# `make` lists what can be done here. Nothing needs to be installed but Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help setup serve check test soak bench docs
# Two of them at once would set up one .venv twice.
.NOTPARALLEL:

PYTHON_HERE = .venv/bin/python
# More words for the command: make test ARGS="-k ingestion -x"
ARGS =
# How long a soak is: make soak SECONDS=60 EXAMPLES=100
SECONDS = 600
EXAMPLES = 600
# How long a database is away in it, or a process stands still
FAULT_SECONDS = 60

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  More words for a command go into ARGS: make test ARGS="-k ingestion"'

setup: ## Make .venv with everything to work on Callboard
	@scripts/setup dev

serve: ## Run the example catalog on http://localhost:7007
	@scripts/setup run
	.venv/bin/callboard serve --config examples/acme/app-config.yaml $(ARGS)

check: setup ## Look for mistakes without running anything: format, lint, types, layers
	$(PYTHON_HERE) -m ruff format --check .
	$(PYTHON_HERE) -m ruff check .
	$(PYTHON_HERE) -m mypy --explicit-package-bases src tests benchmarks
	.venv/bin/lint-imports

test: setup ## Run the tests
	$(PYTHON_HERE) -m pytest $(ARGS)

soak: setup ## Run what takes long: kill everything at random for minutes, and try thousands of histories
	CALLBOARD_TEST_EXAMPLES=$(EXAMPLES) CALLBOARD_SOAK_SECONDS=$(SECONDS) \
		CALLBOARD_FAULT_SECONDS=$(FAULT_SECONDS) $(PYTHON_HERE) -m pytest -s -o faulthandler_timeout=0 \
		tests/properties/test_stream_machine.py $(wildcard tests/history) tests/faults tests/soak $(ARGS)

bench: setup ## Measure: ingest, process, query, follow
	$(PYTHON_HERE) -m benchmarks $(ARGS)

docs: setup ## Check the documentation: links, examples
	$(PYTHON_HERE) -m pytest $(or $(wildcard tests/repository/test_docs.py),tests/repository) $(ARGS)
