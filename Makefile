# auditor: set-up, demonstration, tests. Every target that needs the virtual environment makes it.

VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := auditor tests benchmarks scripts
SHARED ?= $(if $(AUDITOR_SHARED),$(AUDITOR_SHARED),../shared)
DEMO_OUT ?= demo-audit
SCAN_OUT ?= demo-scan
SCAN_BANKS ?=
WORKERS ?= 2
PYTEST = $(LIBRARIES) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# macOS keeps Homebrew's libraries where Python does not look; /bin/sh drops an exported DYLD_*, so the
# variable stands before each command that needs it.
ifeq ($(shell uname),Darwin)
LIBRARIES := DYLD_FALLBACK_LIBRARY_PATH="$$(brew --prefix)/lib:$$DYLD_FALLBACK_LIBRARY_PATH"
endif

export VENV

.DEFAULT_GOAL := help
.PHONY: help setup demo scan test test-slow test-all coverage lint format docs site schema build clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.demo-installed: pyproject.toml constraints.txt scripts/setup.sh
	@test -f $(VENV)/.dev-installed -a ! pyproject.toml -nt $(VENV)/.dev-installed || scripts/setup.sh demo
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt scripts/setup.sh
	scripts/setup.sh dev
	@touch $@ $(VENV)/.demo-installed

setup: $(VENV)/.dev-installed  ## Make .venv with auditor and all tools for working on it

demo: $(VENV)/.demo-installed  ## Audit a real ImageNet classifier on this machine: zebra and spider web
	@$(LIBRARIES) $(BIN)/auditor doctor >/dev/null || { $(LIBRARIES) $(BIN)/auditor doctor; exit 1; }
	@echo "scores come first: $(DEMO_OUT)/report.html can be opened once they are there; Ctrl-C keeps them"
	@start=$$(date +%s); \
	$(LIBRARIES) $(BIN)/auditor run --model bundled:efficientnet_lite0 --classes zebra,"spider web" \
	    --occluder-iterations 120 --refits 1 --reference-classes 5 --out $(DEMO_OUT) --overwrite && \
	echo "the audit took $$(( $$(date +%s) - start )) s" && \
	echo "the report lies at $$(pwd)/$(DEMO_OUT)/report.html and report.pdf"

scan: $(VENV)/.demo-installed  ## Scan all 1,000 classes of the same classifier against the default banks
	$(LIBRARIES) $(BIN)/auditor scan --model bundled:efficientnet_lite0 $(if $(SCAN_BANKS),--banks $(SCAN_BANKS)) --out $(SCAN_OUT) --overwrite
	@echo "the page lies at $$(pwd)/$(SCAN_OUT)/scan.html"

test: $(VENV)/.dev-installed  ## Run the fast tests (the first time: set up everything)
	$(PYTEST) -m "not slow and not shared and not browser" --durations=10

test-slow: $(VENV)/.dev-installed  ## Run the tests that 'make test' leaves out, as far as their data is here
	AUDITOR_SHARED=$(abspath $(SHARED)) $(PYTEST) -m "slow or shared or browser" --durations=20 -rs

test-all: test test-slow  ## Run every test

coverage: $(VENV)/.dev-installed  ## Run the fast tests, show what they leave out, fail below 90% of auditor/
	$(LIBRARIES) $(BIN)/python -m pytest -m "not slow and not shared and not browser" \
	    --cov --cov-report=term --cov-report=xml

lint: $(VENV)/.dev-installed  ## Check style, formatting and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/.dev-installed  ## Format the code and mend what can be mended mechanically
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.dev-installed  ## Write docs/cli.md and the output of every command in the documentation again
	$(BIN)/python scripts/cli_docs.py
	$(LIBRARIES) $(BIN)/python scripts/docs_output.py --write

site: $(VENV)/.dev-installed  ## Build the documentation site into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # with --quiet it would count no warnings
	@echo "the site lies at $$(pwd)/site/index.html"

schema: $(VENV)/.dev-installed  ## Write the published JSON Schema again from the records
	$(BIN)/python -m auditor.schemas --write

build: $(VENV)/.dev-installed  ## Build the wheel and the source distribution into dist/
	$(BIN)/python -m build

clean:  ## Remove the virtual environment, caches and built files
	rm -rf $(VENV) build dist site .coverage coverage.xml .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find auditor tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +
