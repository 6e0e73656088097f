# Everything that starts from a fresh clone. Needs make and Python 3.11 or newer, and sets up the rest.

PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/python
PYTEST := $(IN_VENV) $(if $(MEASURE),-m coverage run) -m pytest -n 4 --dist worksteal \
  $(if $(EVERYTHING),,-m "not exhaustive") $(if $(RERUNS),--reruns $(RERUNS) -r fEsxXR)

.DEFAULT_GOAL := help
# In the order in which they say the most in the least time.
CHECKS := lint imports templates types migrations audit coverage
ROUNDS ?= 20
MEASURED := $(shell find agents mission_control pocketpaw_site templates tests -name '*.py' -o -name '*.html' -o -name '*.js')
RACES := $(shell grep -rl --include='test_*.py' rivals tests)
.PHONY: help run dev test check $(CHECKS) bench chaos fuzz screenshots clean

help:
	@echo "make run    serve Mission Control on http://127.0.0.1:8000 (PORT=… HOST=… choose another address)"
	@echo "make test   run the tests, on SQLite and, where they are installed, on PostgreSQL and Redis"
	@echo "make check  lint, types, imports, templates, migrations, known vulnerabilities, and what the tests cover"
	@echo "make bench  measure how fast it is (ARGS='--quick' for a short try)"
	@echo "make chaos  break the running product on purpose (ROUNDS=… SEED=…)"
	@echo "make fuzz   send the running product what the API's schema allows, and what it does not (ARGS=…)"
	@echo "make screenshots  take the pictures of the pages anew, into docs/images"
	@echo "make clean  remove the virtual environment (the data stays)"

# Make the virtual environment hold what the requirements file $(1) lists. The stamp keeps what was installed and
# is written last: without one, a virtual environment is half made and is made anew.
define set_up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "mission-control: Python 3.11 or newer is needed, and $(PYTHON) is not;" \
	    "name one with PYTHON=…" >&2; exit 1; }
	@set -e; stamp=$(VENV)/$(1).installed; \
	wanted="$$(cat $(sort requirements.txt $(1) $(if $(findstring dev,$(1)),requirements-claude.txt)))"; \
	whole() { $(IN_VENV) -c 'import importlib.util as u, sys; \
	  sys.exit(sys.version_info < (3, 11) or not all(map(u.find_spec, ["pip", "django", "daphne", "django_q"])))' \
	  2>/dev/null; }; \
	if [ "$$wanted" = "$$(cat $$stamp 2>/dev/null)" ] && whole; then exit 0; fi; \
	if ! ls $(VENV)/*.installed >/dev/null 2>&1 || ! whole; then \
	  echo "Making the virtual environment in $(VENV)."; \
	  rm -rf $(VENV); \
	  $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	    echo "mission-control: $(PYTHON) cannot make a virtual environment;" \
	      "its venv module is missing (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
	fi; \
	echo "Installing the requirements; the first time this takes a minute or two."; \
	rm -f $(VENV)/*.installed; \
	$(IN_VENV) -m pip install -qq --disable-pip-version-check -r $(1); \
	cat requirements.txt > $(VENV)/requirements.txt.installed; \
	printf '%s\n' "$$wanted" > $$stamp
endef

run:
	$(call set_up,requirements.txt)
	@exec $(IN_VENV) manage.py up

dev:
	$(call set_up,requirements-dev.txt)

# Some minutes on two cores: all that people use on SQLite, and on PostgreSQL what two processes could do to each
# other. With EVERYTHING=yes, as .ci/run has it, also what tries out every input of every endpoint and looks at every
# page, what breaks the product on purpose, and all of the API and of the whole product on both.
# RERUNS=1 tries what failed once more, and names it: .ci/run's machines are shared, and some of what waits there
# waits too long.
# With MEASURE=yes every process that the tests start is measured, which costs a third of the time; the parts become
# the one file `.coverage`. What a killed process left half written is no part: combining says so and goes on.
test: dev
	@$(if $(MEASURE),$(IN_VENV) -m coverage erase)
	$(PYTEST)
	$(PYTEST) --profile server $(if $(EVERYTHING),tests/runs tests/sockets tests/projects tests/system tests/api,$(RACES))
	@$(if $(MEASURE),$(IN_VENV) -m coverage combine --quiet 2>/dev/null; status=$$?; rm -f .coverage.*; exit $$status)

.coverage: $(MEASURED)
	@$(MAKE) test EVERYTHING=yes MEASURE=yes

check: $(CHECKS)

# The tools load the settings, which need a data folder: not the one with the data.
$(CHECKS): export MISSION_CONTROL_DATA_DIR = $(CURDIR)/$(VENV)/data
$(CHECKS): export MISSION_CONTROL_ENV_FILE =
$(CHECKS): dev

lint:
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .

imports:
	$(VENV)/bin/lint-imports --no-logo

templates:
	$(VENV)/bin/djade --check --target-version 5.2 $$(find templates -name '*.html')

types:
	$(IN_VENV) -m mypy

migrations:
	$(IN_VENV) manage.py makemigrations --check --dry-run

audit:
	$(IN_VENV) .ci/audit.py

# Nine tenths of the product; what of its heart is missing is listed.
coverage: .coverage
	$(IN_VENV) -m coverage report --skip-covered
	$(IN_VENV) -m coverage report --include='mission_control/runs/*' --fail-under=95

bench: dev
	@$(IN_VENV) -m bench $(ARGS)

chaos: dev
	@$(IN_VENV) -m tests.chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

fuzz: dev
	@$(IN_VENV) -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(ARGS)

screenshots: dev
	@$(IN_VENV) -m tests.screenshots docs/images

clean:
	rm -rf $(VENV)
