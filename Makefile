PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .bench-venv
BENCH_OPTIONS := SIZE=$(SIZE) SECONDS=$(SECONDS) ROUNDS=$(ROUNDS)
# Containers often set it. Every start would compile our sources, and pytest rewrite all test modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test quick bench soak lint lock install install-dev clean words

help: ## Say what there is to type.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

run: install ## Install what is missing and start everything: database, web, worker, beat, sandbox (RELOAD=1: again after each edit).
	@$(BIN)/python manage.py up $(if $(filter 1,$(RELOAD)),--reload)

test: install-dev ## Install what is missing and run the whole test suite (T=tests/keywords: a part of it, in one process).
	@$(BIN)/python -m pytest $(or $(T),-n 3 --dist loadgroup) $(ARGS)

quick: install-dev ## Run the tests that start no process and no browser and try no generated input.
	@$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not processes and not browser and not fuzz and not exhaustive" $(ARGS)

bench: install-dev $(if $(filter api,$(or $(ONLY),api)),$(BENCH_VENV)/.packages) ## Print the speed of what must be fast, as ratios to bare work (ONLY=stars: one script; api takes SIZE, SECONDS, ROUNDS).
	@failed=0; for script in tests/benchmarks/bench_$(or $(ONLY),*).py; do \
		echo "== $$(basename $$script .py)"; \
		$(BENCH_OPTIONS) $(BIN)/python -m tests.benchmarks.$$(basename $$script .py) || failed=1; \
	done; exit $$failed

soak: install-dev ## Five minutes of mixed traffic under kills, restarts and broken outside systems (SECONDS=15: shorter, SEED=2).
	@SECONDS=$(or $(SECONDS),300) SEED=$(or $(SEED),1) $(BIN)/python -m tests.soak

lint: install-dev ## Style, types, import contracts, migrations.
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python .ci/lint-migrations

LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

lock: install-dev ## Write requirements*.txt anew from requirements*.in: every package with its hashes.
	@$(LOCK) --output-file requirements.txt requirements.in
	@$(LOCK) --output-file requirements-dev.txt requirements-dev.in
	@$(LOCK) --output-file requirements-bench.txt requirements-bench.in

words: install-dev ## Collect the marked texts for translation, and compile the translations (config/locale).
	@if command -v xgettext >/dev/null; then \
		$(BIN)/python manage.py makemessages --locale en --no-location --no-obsolete --ignore .venv --ignore .run --ignore tests; \
	else echo "GNU gettext is not installed: new texts are not collected, only compiled."; fi
	@$(BIN)/python -c "import glob, polib; [polib.pofile(po).save_as_mofile(po[:-2] + 'mo') for po in glob.glob('config/locale/*/LC_MESSAGES/django.po')]"

install: $(VENV)/.runtime ## Make the virtual environment.

install-dev: $(VENV)/.dev

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or name yours with 'make PYTHON=/path/to/python3.11 run'."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "Installing the packages of requirements.txt …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(BIN)/python
	@echo "Installing the packages of requirements-dev.txt …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime

$(BENCH_VENV)/.packages: requirements-bench.txt
	@echo "Installing the packages of requirements-bench.txt …"
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

clean: ## Forget the virtual environment and all local data.
	@rm -rf $(VENV) $(BENCH_VENV) .run
