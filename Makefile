# make demo [SOURCE=URL]   set up .venv (no torch, no compiler, no root) and watch predictions roll
# make test                set up .venv-test and run lint, types, import rules and every test
# make docs               write what is made from the types: schemas, tables of docs/messages.md
# make soak                ten minutes of a fast source: nothing may grow
PYTHON ?= python3
SOURCE ?= scene:
CONSTRAINTS = deploy/constraints.txt
PIP_FLAGS = --disable-pip-version-check --constraint $(CONSTRAINTS)
TEST = .venv-test/bin

# By the environment, so that a URL's & and ? reach no shell, and its password no screen.
export SOURCE

.PHONY: demo test lint unit gpu soak docs test-servers bench clean

demo: .venv/installed
	@.venv/bin/gesta run "$$SOURCE" --watch --loop --realtime

# A process for each room: the stream's tests then run without torch, as the daemon does.
test: lint test-servers
	$(TEST)/python -m pytest tests/engine
	$(TEST)/python -m pytest tests/stream
	$(TEST)/python -m pytest tests/training
	$(TEST)/python -m pytest tests/deploy
	$(TEST)/python -m pytest tests/integration
	$(TEST)/python -m pytest tests/gpu

lint: .venv-test/installed
	$(TEST)/ruff check .
	$(TEST)/ruff format --check .
	$(TEST)/mypy
	$(TEST)/lint-imports

unit: .venv-test/installed
	$(TEST)/python -m pytest -m "not integration and not soak and not gpu"

# Tests and benchmarks of what needs an NVIDIA GPU.
gpu: .venv-test/installed
	PYTHON=$(TEST)/python tests/gpu/run.sh

soak: .venv-test/installed
	GESTA_SOAK_S=600 $(TEST)/python -m pytest -m soak -s

docs: .venv-test/installed
	$(TEST)/python -m stream.messaging.schema
	$(TEST)/python -m stream.messaging.reference

# What the tests talk to, where this machine allows installing it.
test-servers:
	@deploy/install_test_servers.sh

bench: .venv-test/installed
	$(TEST)/gesta-engine bench

.venv/installed: pyproject.toml $(CONSTRAINTS)
	@echo "Setting up .venv: the daemon and what it needs (about 200 MB to fetch, once)"
	$(PYTHON) -m venv .venv
	.venv/bin/pip install $(PIP_FLAGS) --editable .
	@touch $@

.venv-test/installed: pyproject.toml $(CONSTRAINTS)
	@echo "Setting up .venv-test: the daemon, torch and the test tools (several GB, some minutes, once)"
	$(PYTHON) -m venv .venv-test
	$(TEST)/pip install $(PIP_FLAGS) --editable ".[test]"
	@touch $@

clean:
	rm -rf .venv .venv-test build *.egg-info
