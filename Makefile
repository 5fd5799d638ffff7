# Quarterdeck's commands. `make sandbox` and `make test` set up all they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Compiled modules are kept, whatever the machine says: a test run starts hundreds of programs.
unexport PYTHONDONTWRITEBYTECODE

# Four processes on two cores: some of them always wait. Whole files, in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help sandbox test test-postgres tests witness soak check types style format pages bench lock clean
help:
	@echo "make sandbox   the bot in a browser page: no account, keys or network"
	@echo "make sandbox LIVE=binance   the same on that venue's prices of now: no account or keys"
	@echo "make test      all checks and tests"
	@echo "make test-postgres   all tests of the core, on PostgreSQL"
	@echo "make soak      the fault tests in full: hours (ARGS=--help for less)"
	@echo "make witness   let Binance's official SDKs read and use the venue server"
	@echo "make check     format, lint, types, import contracts, docs"
	@echo "make pages     write docs/brokers.md anew, from the adapters and their tests"
	@echo "make bench     measure, and print the figures of docs/benchmarks.md"
	@echo "make lock      write the hash-locked requirements anew"

$(VENV)/python.ok:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Quarterdeck needs Python 3.11 or newer. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Only wheels, only what the lock file names, byte-compiled.
$(VENV)/runtime.ok: requirements.txt pyproject.toml $(VENV)/python.ok
	$(PIP) install --no-deps --require-hashes --only-binary :all: -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q bot core brokers risk
	@touch $@

$(VENV)/dev.ok: requirements-dev.txt $(VENV)/runtime.ok
	$(PIP) install --no-deps --require-hashes --only-binary :all: -r requirements-dev.txt
	@touch $@

sandbox: $(VENV)/runtime.ok
	$(BIN)/quarterdeck sandbox $(if $(LIVE),--live $(LIVE)) $(ARGS)

check: $(VENV)/dev.ok
	@$(MAKE) --no-print-directory --jobs=2 types style
	$(BIN)/pytest tests/docs

types: $(VENV)/dev.ok
	$(BIN)/mypy

style: $(VENV)/dev.ok
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

# All at once: while one process collects the tests, the other core has the types to check.
test: $(VENV)/dev.ok
	@$(MAKE) --no-print-directory --jobs=3 types style tests

# What tests/core/conftest.py names is tested on PostgreSQL too.
tests: $(VENV)/dev.ok
	TEST_DATABASE=both $(PYTEST)

test-postgres: $(VENV)/dev.ok
	TEST_DATABASE=postgres $(PYTEST) tests/core

.venv-witness/ok: tests/venues/requirements-witness.txt
	$(PYTHON) -m venv .venv-witness
	.venv-witness/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes --only-binary :all: -r $<
	@touch $@

# Binance's official SDKs want another pydantic than we do: they have an environment of their own.
witness: $(VENV)/dev.ok .venv-witness/ok
	$(BIN)/python -m tests.venues.witness $(ARGS)

soak: $(VENV)/dev.ok
	$(BIN)/python -m tests.faults.soak $(ARGS)

format: $(VENV)/dev.ok
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pages: $(VENV)/dev.ok
	$(BIN)/python -m tests.evidence

bench: $(VENV)/dev.ok
	$(BIN)/python -m tests.benchmarks

lock:
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --group build pyproject.toml -o requirements.txt
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --constraint requirements.txt --group dev pyproject.toml -o requirements-dev.txt
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header tests/venues/requirements-witness.in -o tests/venues/requirements-witness.txt

clean:
	rm -rf $(VENV) .venv-witness .mypy_cache .ruff_cache .hypothesis
