# Everything that a fresh machine needs is set up by `make demo` or `make test`: Python 3.11 or later, make and git.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3.14 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test test-lowest coverage lint format long-test bench faults model system-packages clean

demo: $(VENV)/.demo
	$(BIN)/triage demo

test: $(VENV)/.dev system-packages
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# The lower bounds of pyproject.toml held to their word, in an environment of their own.
test-lowest: system-packages
	$(PYTHON) -m venv --clear .venv-lowest
	$(PYTHON) .ci/lowest > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint .venv-lowest/constraints.txt --editable '.[test]'
	.venv-lowest/bin/python -m pytest -n $(WORKERS) --dist loadgroup

# Lines and branches of what touches mail and state that a few fast tests reach; less than 95 % of any module fails.
COVERED := mailbox apply originals store
coverage: $(VENV)/.dev system-packages
	$(BIN)/python -m coverage run --branch --include='triage/*' -m pytest -q \
		tests/test_mailbox.py tests/test_mailbox_answers.py tests/test_apply.py tests/test_meanwhile.py tests/test_store.py
	@for module in $(COVERED); do \
		$(BIN)/python -m coverage report --show-missing --include=triage/$$module.py --fail-under=95 || exit 1; \
	done

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -r triage -ll
	$(BIN)/pip-audit --local --skip-editable --progress-spinner off
	$(BIN)/python -m pytest -q tests/test_corpus.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# All cases of long lists, more examples for the properties, kills at random moments.
long-test: $(VENV)/.dev system-packages
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
	$(BIN)/python -m bench.crash

bench: $(VENV)/.dev system-packages
	$(BIN)/python -m bench.classify
	$(BIN)/python -m bench.filing

# The whole matrix of docs/faults.md, the rows that are tests first: some hours.
faults: $(VENV)/.dev system-packages long-test
	$(BIN)/python -m bench.faults
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.second
	$(BIN)/python -m bench.renumbered
	$(BIN)/python -m bench.huge
	$(BIN)/python -m bench.hostile
	$(BIN)/python -m bench.soak

# Train the shipped model anew and put its figures into the model card.
model: $(VENV)/.dev
	$(BIN)/triage train --corpus models/corpus
	$(BIN)/python -m bench.card

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; install it, or name it with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name another with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

system-packages:
	@./.ci/system-packages

clean:
	rm -rf $(VENV) .venv-lowest .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
