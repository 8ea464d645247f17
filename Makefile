# Everything that is done with Mink from its source. Needs Python 3.11 or newer and make, nothing else:
# tools/bootstrap makes .venv on first use. Written for GNU make 3.81 (macOS) and newer.

SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin

# Which tests, and what else to say to pytest (or to the benchmark).
TESTS ?=
ARGS ?=
# Which clients: go typescript java, and python where the cases are run.
CLIENTS ?=
# What belongs to `make test-clients`: the harness of the cases, and the page for which grpcurl is built.
CLIENT_TESTS := tests/conformance tests/e2e/test_grpcurl_page.py
# All tests run in four processes, each with databases of its own; most of what they do is wait. PARALLEL= runs them one by one.
PARALLEL ?= -n 4 --dist loadfile --no-loadscope-reorder

# uv keeps its downloads in the home folder; without one that can be written, they stay in .venv.
ifneq ($(shell d="$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$${HOME:-/nonexistent}/.cache}/uv}"; mkdir -p "$$d" 2>/dev/null && test -w "$$d" && echo ok),ok)
export UV_CACHE_DIR := $(CURDIR)/.venv/.uv-cache
export PIP_NO_CACHE_DIR := 1
endif

# A company's own certificates are in the system's store, which uv reads only if told to. A machine without a store has uv's.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
UV_SYSTEM_CERTS ?= true
export UV_SYSTEM_CERTS
endif

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: env-run ## Start Mink (on an embedded Postgres, unless DATABASE_URL says otherwise); Ctrl-C stops it
	@exec $(BIN)/mink serve

.PHONY: test
test: env ## Run the tests; TESTS=tests/unit chooses, ARGS='-x -k append' goes to pytest
	@$(BIN)/pytest -m 'not reliability and not thorough' $(if $(TESTS),,$(PARALLEL) $(CLIENT_TESTS:%=--ignore=%)) $(ARGS) $(TESTS)

.PHONY: test-thorough
test-thorough: env ## Run what `make test` leaves out: the same on an older Postgres, in an upgraded log, with other read models; backups
	@$(BIN)/pytest -m 'thorough and not reliability' $(PARALLEL) $(ARGS) $(TESTS)

.PHONY: test-clients
test-clients: env ## Run the tests of the Go, TypeScript and Java clients and of grpcurl, and the cases that all clients must pass; CLIENTS=go chooses
	@$(BIN)/pytest $(PARALLEL) $(CLIENT_TESTS)
	@tools/clients test $(CLIENTS)
	@clients/conformance/run --keep-going $(CLIENTS) $(ARGS)

.PHONY: conformance
conformance: env ## Run the cases that all clients must pass; CLIENTS=go chooses, ARGS=--write makes the table in docs/clients.md
	@clients/conformance/run --keep-going $(CLIENTS) $(ARGS)

.PHONY: reliability
reliability: env ## Run the long tests: kills, races, memory; TESTS and ARGS as above
	@$(BIN)/pytest -m reliability $(ARGS) $(TESTS)

.PHONY: verify
verify: check-lock check-style check-types check-layers check-protos check-clients ## Say what is wrong with the code (make -k verify: all of it)

.PHONY: fix
fix: env protos ## Mend what can be mended: style, format, generated code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/buf format -w

.PHONY: protos
protos: env ## Generate the code of protos/ for all clients
	@tools/protos
	@tools/clients generate go typescript

.PHONY: tools
tools: env ## Install grpcurl into .venv/bin; it needs Go
	@tools/grpcurl

.PHONY: bench
bench: env-bench ## Compare Mink with its peers on this machine; ARGS goes to the benchmark
	@$(BIN)/python -m bench $(ARGS)

.PHONY: clean
clean: ## Remove .venv and caches; the data in .mink stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name .mink -prune -o -type d -name __pycache__ -exec rm -rf {} +
	@echo 'Removed .venv and caches. Data stays where it is: .mink, or wherever MINK_DATA_DIR says.'

# The environment.

.PHONY: env env-run env-bench
env:
	@tools/bootstrap dev
env-run:
	@tools/bootstrap run
env-bench:
	@tools/bootstrap bench

# The parts of `make verify`. Each can be run alone.

.PHONY: check-lock check-style check-types check-layers check-protos check-breaking check-clients
check-lock: env
	@$(BIN)/uv lock --check --quiet --python $(BIN)/python || { echo 'uv.lock does not fit the pyproject.toml files: run .venv/bin/uv lock' >&2; exit 1; }

check-style: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

check-types: env
	@$(BIN)/mypy

check-layers: env
	@$(BIN)/lint-imports --no-logo

check-protos: env check-breaking
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@tools/protos --check

check-clients: env
	@tools/clients verify $(CLIENTS)

# Nothing that a client relies on may go. The protos are compared with where this branch left main; on main itself, with the
# commit before.
check-breaking: env
	@head=$$(git rev-parse --verify --quiet HEAD 2>/dev/null) || { echo 'buf breaking: skipped, there is no git history here'; exit 0; }; \
	base=; \
	for main in origin/main main; do \
	    base=$$(git merge-base HEAD $$main 2>/dev/null) && break; \
	done; \
	if [ -z "$$base" ] || [ "$$base" = "$$head" ]; then base=$$(git rev-parse --verify --quiet HEAD~1); fi; \
	if [ -z "$$base" ] || ! git cat-file -e "$$base:protos/mink/v1" 2>/dev/null; then \
	    echo 'buf breaking: skipped, there is no earlier commit to compare with'; \
	else \
	    git archive --format=tar "$$base" buf.yaml protos | $(BIN)/buf breaking --against '-#format=tar' \
	        || { echo "buf breaking: the protos break what $$base promised" >&2; exit 1; }; \
	fi
