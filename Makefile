# `make demo` and `make test` do all their own set-up; see README.md for Windows and macOS.

VENV := .venv
BIN := $(VENV)/bin
DISPLAY_RUN := scripts/with-display
HEADLESS := $(if $(filter Linux,$(shell uname)),$(if $(DISPLAY)$(WAYLAND_DISPLAY),,yes))

# uv where there is one: it installs in a fraction of pip's time.
INSTALL := $(if $(shell command -v uv),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install) --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs bench constraints display clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-all ## segment and follow objects in a sample (in napari where there is a screen)
	$(BIN)/napari-sa2va demo $(if $(HEADLESS),--headless --output demo-output)

test: lint display ## all checks and the whole test suite
	$(DISPLAY_RUN) $(BIN)/python -m pytest
	$(DISPLAY_RUN) $(BIN)/python -m pytest -n 0 -m slow

lint: $(VENV)/.installed-test ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-test ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs ## build the documentation into build/docs
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.installed-test display ## measure speed and memory
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.memory 100 1000
	$(BIN)/python -m benchmarks.export 200
	$(BIN)/python -m benchmarks.tracking nano
	$(BIN)/python -m benchmarks.clicks nano
	$(BIN)/python -m benchmarks.serving_wire --frames 100 --sides 512 1024
	$(BIN)/python -m benchmarks.serving_load --seconds 300
	$(DISPLAY_RUN) $(BIN)/python -m benchmarks.stall
	$(DISPLAY_RUN) $(BIN)/python -m benchmarks.large_stack
	$(DISPLAY_RUN) $(BIN)/python -m benchmarks.annotating

constraints: ## resolve constraints.txt anew (needs uv)
	scripts/resolve-constraints > constraints.txt.new
	mv constraints.txt.new constraints.txt

display:
	@scripts/install-display

$(BIN)/python:
	scripts/make-venv $(VENV)

$(VENV)/.installed-%: pyproject.toml setup.cfg constraints.txt | $(BIN)/python
	$(INSTALL) -c constraints.txt -e ".[$*]"
	@touch $@

clean: ## remove the environment and everything that is built
	rm -rf $(VENV) build dist demo-output *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
