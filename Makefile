# Everything runs from .venv; nothing needs root, Docker or a system package beyond Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# All tests: in several processes, each with a Kafka and a Postgres of its own, a file at a time in tests/report.py's order.
ALL    := -n auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status logs test check bench compiled soak docs lock
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with the gridline command (first run downloads the locked packages)

$(READY): requirements.lock requirements.bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Gridline needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Point PYTHON=... at a newer one.")'
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment: on Debian and Ubuntu install python3-venv."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.bootstrap.lock
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock || { echo "Could not install the packages above. If one was to be compiled: Linux on ARM and Python 3.14 need a C++ compiler and Python's headers (Debian and Ubuntu: apt install g++ python3-dev). With Python 3.11 to 3.13 on x86-64 or macOS nothing is compiled: make ... PYTHON=python3.13"; exit 1; }
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e .
	@touch $@

demo: setup ## A storm from end to end on a real Kafka and Postgres; DEMO="--keep" leaves it up
	@$(BIN)/gridline demo $(DEMO)

up: setup ## Start Kafka, Postgres and the four services, and leave them running
	@$(BIN)/gridline stack up

down: setup ## Stop them in order; the data stays
	@$(BIN)/gridline stack down

status: setup ## Show every process and whether it is ready
	@$(BIN)/gridline stack status

logs: setup ## Show the last lines of every log; LOGS="dedup -n 100 -f" for one
	@$(BIN)/gridline stack logs $(LOGS)

test: setup ## All tests: unit, contract, integration, end to end; TEST="tests/unit" for some
	@$(BIN)/pytest $(or $(TEST),$(ALL))

check: setup ## What CI runs: linters, types, import contracts, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest $(ALL)

bench: setup ## Measure floor and product in one run; writes bench-results/
	@$(BIN)/python -m tests.bench $(BENCH)

compiled: setup ## A wheel in dist/ with the core compiled to C, 1.4 times as fast (needs a C compiler): docs/compiled.md
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/hatchling build -t wheel

soak: setup ## Break the real stack at random for a few minutes and check every promise; SOAK="7 8 --seconds 120"
	@$(BIN)/python -m tests.soak $(SOAK)

docs: setup ## Generate docs/contracts from the code: JSON Schemas, AsyncAPI, OpenAPI, settings, metrics, routes
	@$(BIN)/gridline docs

lock: setup ## Pin the dependencies of pyproject.toml again, with hashes
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock
