# Everything that starts from a fresh clone. Needs make and Python 3.11 or newer, and sets up the rest.

PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test check clean

help:
	@echo "make run    serve Mission Control on http://127.0.0.1:8000 (PORT=… HOST=… choose another address)"
	@echo "make test   run the tests, on SQLite and, where they are installed, on PostgreSQL and Redis"
	@echo "make check  lint and check the format"
	@echo "make clean  remove the virtual environment (the data stays)"

# Make the virtual environment hold what the requirements file $(1) lists. The stamp keeps what was installed and
# is written last: without one, a virtual environment is half made and is made anew.
define set_up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "mission-control: Python 3.11 or newer is needed, and $(PYTHON) is not;" \
	    "name one with PYTHON=…" >&2; exit 1; }
	@set -e; stamp=$(VENV)/$(1).installed; \
	wanted="$$(cat $(sort requirements.txt $(1)))"; \
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

test:
	$(call set_up,requirements-dev.txt)
	$(IN_VENV) -m pytest -n 4 --dist worksteal
	$(IN_VENV) -m pytest -n 4 --dist worksteal --profile server tests/runs tests/sockets tests/api tests/system

check:
	$(call set_up,requirements-dev.txt)
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .

clean:
	rm -rf $(VENV)
