# The commands for a fresh clone. Needs make and Python 3.11 or newer, and installs everything else.

PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/python
PYTEST := -m pytest -n 4 --dist worksteal --durations 10 -m "not agents $(if $(EVERYTHING),,and not exhaustive)"

.DEFAULT_GOAL := help
# Ordered so that the fast checks that find the most come first.
CHECKS := lint imports templates javascript types migrations hot-paths audit coverage
ROUNDS ?= 20
MEASURED := $(shell find agents mission_control pocketpaw_site templates tests -name '*.py' -o -name '*.html' -o -name '*.js')
.PHONY: help run claude dev test test-agents check $(CHECKS) vendor lock bench chaos fuzz screenshots clean

help:
	@echo "make run    serve Mission Control on http://127.0.0.1:8000 (PORT=… HOST=… choose another address)"
	@echo "make claude install Anthropic's SDK for Claude; with the CLI (390 MB) where no claude is installed"
	@echo "make test   run the tests, on SQLite and, where they are installed, on PostgreSQL and Redis"
	@echo "make test-agents  run the tests with the real command-line agents from npm (ARGS='-k qwen' for one of them)"
	@echo "make check  lint, types, imports, templates, JavaScript, migrations, hot paths, known vulnerabilities, test coverage"
	@echo "make lock   write the lock files again, after a requirements file changed"
	@echo "make vendor copy the libraries for browsers again, after package.json changed"
	@echo "make bench  measure how fast it is (ARGS='--quick' for a short try)"
	@echo "make chaos  break the running product on purpose (ROUNDS=… SEED=…)"
	@echo "make fuzz   send valid and invalid requests to a running product, generated from the API's schema (ARGS=…)"
	@echo "make screenshots  take new screenshots of the pages for docs/images"
	@echo "make clean  remove the virtual environment and node_modules (the data stays)"

# Install into the virtual environment what the lock file $(1) lists: every package, direct or indirect, in one version
# with a known hash. The stamp is a copy of the installed lock file and is written last: a virtual environment without
# one is incomplete, and is created again.
define set_up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "mission-control: Python 3.11 or newer is needed, and $(PYTHON) is not;" \
	    "name one with PYTHON=…" >&2; exit 1; }
	@set -e; stamp=$(VENV)/$(1).installed; \
	whole() { $(IN_VENV) -c 'import importlib.util as u, sys; \
	  sys.exit(sys.version_info < (3, 11) or not all(map(u.find_spec, ["pip", "django", "daphne", "django_q"])))' \
	  2>/dev/null; }; \
	if cmp -s $(1) $$stamp && whole; then exit 0; fi; \
	if ! ls $(VENV)/*.installed >/dev/null 2>&1 || ! whole; then \
	  echo "Making the virtual environment in $(VENV)."; \
	  rm -rf $(VENV); \
	  $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	    echo "mission-control: $(PYTHON) cannot make a virtual environment;" \
	      "its venv module is missing (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
	fi; \
	echo "Installing the requirements; the first time this takes a minute or two."; \
	rm -f $(VENV)/*.installed; \
	$(IN_VENV) -m pip install -qq --disable-pip-version-check --require-hashes -r $(1); \
	cp requirements.lock $(VENV)/requirements.lock.installed; \
	cp $(1) $$stamp
endef

# Where `claude` is installed, the SDK for it is too (1 MB, once). Without the network that is left out, and said.
run:
	$(call set_up,requirements.lock)
	@if command -v claude >/dev/null && ! cmp -s requirements-claude.lock $(VENV)/requirements-claude.lock.of-sdk; then \
	  $(IN_VENV) -m agents.backends.claude --if-claude-is-there || \
	    echo "Mission Control starts without it. \`make claude\` tries again." >&2; \
	fi
	@exec $(IN_VENV) manage.py up

claude:
	$(call set_up,requirements.lock)
	@exec $(IN_VENV) -m agents.backends.claude

dev:
	$(call set_up,requirements-dev.lock)

# Takes some minutes on two cores. Runs the tests on SQLite, then those that can differ on PostgreSQL and Redis
# (tests/profile.py). The second half runs even if the first failed.
# EVERYTHING=yes, as in .ci/run, adds the tests that try every input of every endpoint, check every page, and break the
# product on purpose.
# MEASURE=yes measures the coverage of the pytest processes in the first half, but not of the programs that tests start.
# The parts are combined into the one file `.coverage`. A killed process leaves an incomplete part, which is skipped.
# REPORTS=… names a folder for a JUnit report of each half.
test: dev
	@$(if $(MEASURE),$(IN_VENV) -m coverage erase)
	@status=0; \
	$(IN_VENV) $(if $(MEASURE),-m coverage run) $(PYTEST) $(if $(REPORTS),--junitxml $(REPORTS)/embedded.xml) || status=1; \
	$(if $(MEASURE),$(IN_VENV) -m coverage combine --quiet 2>/dev/null || status=1; rm -f .coverage.*;) \
	$(IN_VENV) $(PYTEST) --profile server --differing $(if $(REPORTS),--junitxml $(REPORTS)/server.xml) || status=1; \
	exit $$status

# The real programs of tests/agents/npm, against a mocked provider. Only claude and codex are tried in `make test`.
test-agents: dev
	@$(IN_VENV) -m pytest -n 2 tests/agents -m agents $(ARGS)

.coverage: $(MEASURED)
	@$(MAKE) test EVERYTHING=yes MEASURE=yes

check: $(CHECKS)

# The tools load the settings, which need a data folder. This one is not the folder with the real data.
$(CHECKS): export MISSION_CONTROL_DATA_DIR = $(CURDIR)/$(VENV)/data
$(CHECKS): export MISSION_CONTROL_ENV_FILE =
$(CHECKS): dev

# Resolved once for all Python versions and systems; each file uses the versions of the one before it.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: dev
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) requirements-dev.txt -c requirements.lock -o requirements-dev.lock
	$(LOCK) requirements-claude.txt -c requirements-dev.lock -o requirements-claude.lock
	$(LOCK) requirements-claude-build.txt -c requirements-dev.lock -o requirements-claude-build.lock

lint:
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .

imports:
	$(VENV)/bin/lint-imports --no-logo

templates:
	$(VENV)/bin/djade --check --target-version 5.2 $$(find templates -name '*.html')
	@awk 'length > 140 { print FILENAME ":" FNR ": longer than 140 characters"; long = 1 } END { exit long }' \
	  $$(find templates -name '*.html')

# Only the checks need node and npm. Without them one line says what is left out; under CI that is an error.
# The stamp in node_modules is a copy of the installed lock file.
define in_node
	@if ! command -v npm >/dev/null || ! node -e \
	  'const [major, minor] = process.versions.node.split("."); process.exit(major > 18 || (major === "18" && minor > 18) ? 0 : 1)' \
	  2>/dev/null; then \
	  echo "mission-control: npm or node 18.19 is missing, so the JavaScript is not checked" >&2; \
	  test -z "$$CI"; exit; \
	fi; \
	set -e; \
	if ! cmp -s package-lock.json node_modules/.installed; then \
	  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
	  cp package-lock.json node_modules/.installed; \
	fi; \
	set -x; $(1)
endef

# Rules (eslint), types from JSDoc (tsc), the copies in vendor/, and the tests of modules that need no browser.
javascript:
	$(call in_node,node_modules/.bin/eslint --max-warnings 0 .; \
	  node_modules/.bin/tsc; node .ci/vendor.js --check; node --test --test-reporter=spec tests/web/js/*.test.js)

vendor:
	$(call in_node,node .ci/vendor.js)

types:
	$(IN_VENV) -m mypy

migrations:
	$(IN_VENV) manage.py makemigrations --check --dry-run

# Counts database queries and function calls of the paths that users wait for. ARGS=--write stores the numbers.
hot-paths:
	@$(IN_VENV) -m bench.hot_paths $(ARGS)

audit:
	$(IN_VENV) .ci/audit.py

# At least 90 % of the product (pyproject.toml) and 95 % of its core, the runs; lists what is not covered.
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
	rm -rf $(VENV) node_modules
