# Everything is done with make; `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
GRPCURL_VERSION := v1.9.3
# Programs of others that the tests talk to, each with what it needs apart from all else.
PEERS := $(TOOLS)/peers
AIMOCK_VERSION := 1.43.0
GGUF_VERSION := 0.19.0
LITELLM_VERSION := 1.106.0
XLLAMACPP_VERSION := 2026.10.11549
AIMOCK := $(PEERS)/aimock/.installed-$(AIMOCK_VERSION)
LITELLM := $(PEERS)/litellm/.installed-$(LITELLM_VERSION)
LLAMA := $(PEERS)/llama/.installed-$(XLLAMACPP_VERSION)-$(GGUF_VERSION)

# Where it is set, every process of ours would compile what was changed, again and again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test test-full fidelity providers check compose-test format generate bench tools peers clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Trunkline needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m compileall -q services/trunkline services/buf clients/trunkline_client
	touch $@

$(VENV)/.development: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

up: $(VENV)/.installed ## Set up and run all four services on 127.0.0.1:50051
	@$(BIN)/trunkline up

test: $(VENV)/.development tools peers ## Set up and run all tests, at most 4 minutes
	$(BIN)/python -m pytest -n 4 --dist worksteal

test-full: $(VENV)/.development tools peers ## Run every matrix whole, at most 30 minutes
	TRUNKLINE_TEST_FULL=1 $(BIN)/python -m pytest -n 4 --dist worksteal

fidelity: $(VENV)/.development ## What arrives of a transcript that goes from each format to each
	PYTHONPATH=tests $(BIN)/python -m fidelity

providers: $(VENV)/.development ## Write docs/providers.md from what cases show
	PYTHONPATH=tests $(BIN)/python -m fidelity --write

check: $(VENV)/.development ## Format, lint, types, imports, contract, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy services/trunkline clients/trunkline_client tests protos/generate.py
	$(BIN)/lint-imports
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python protos/generate.py --lint
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python protos/generate.py --check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml tests/compose/sandbox.yaml

compose-test: $(VENV)/.installed ## Bring compose.yaml up with a real engine and chat
	tests/compose/test_compose.sh

format: $(VENV)/.development ## Format code and contract
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write protos

generate: $(VENV)/.development ## Generate code from the contract
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python protos/generate.py

bench: $(VENV)/.development ## Measure against a bare relay; BENCH=--gate fails on a missed figure
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

tools: ## Install the real grpcurl where Go is there
	@if test -x $(TOOLS)/grpcurl; then :; \
	elif command -v go >/dev/null; then \
	  GOBIN="$(abspath $(TOOLS))" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION); \
	elif test "$$TRUNKLINE_REQUIRE_ALL" = 1; then \
	  echo "grpcurl is missing and Go cannot install it: install Go 1.24 or newer"; exit 1; \
	fi

peers: $(LITELLM) $(LLAMA) ## Install the programs of others that tests talk to
	@if test -e $(AIMOCK); then :; \
	elif command -v npm >/dev/null; then \
	  rm -rf $(PEERS)/aimock && mkdir -p $(PEERS)/aimock && \
	  npm install --prefix $(PEERS)/aimock --no-audit --no-fund --silent @copilotkit/aimock@$(AIMOCK_VERSION) && \
	  touch $(AIMOCK); \
	elif test "$$TRUNKLINE_REQUIRE_ALL" = 1; then \
	  echo "aimock is missing and npm cannot install it: install Node.js 20.15 or newer"; exit 1; \
	fi

$(LITELLM):
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check "litellm[proxy]==$(LITELLM_VERSION)"
	touch $@

$(LLAMA):
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
	  xllamacpp==$(XLLAMACPP_VERSION) gguf==$(GGUF_VERSION)
	touch $@

clean: ## Remove what was built
	rm -rf $(VENV) $(TOOLS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
