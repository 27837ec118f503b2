# Everything runs in a virtual environment of the project's own, made when first needed.
MAKEFLAGS += --no-print-directory
PYTHON ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11,\
	$(if $(shell $(python) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(python))))
BIN := .venv/bin

.PHONY: demo test check format

demo: .venv/installed
	@examples/flights/demo.sh $(BIN)/pipectl

test: .venv/installed
	$(BIN)/python -m pytest -q -n auto

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "pipectl needs Python 3.11 or newer; name one by make PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --upgrade pip > .venv/install.log 2>&1 && \
		$(BIN)/python -m pip install --editable '.[dev]' >> .venv/install.log 2>&1 || \
		{ cat .venv/install.log; exit 1; }
	@touch $@
