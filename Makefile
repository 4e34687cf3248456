# Two commands from a fresh clone: `make demo` and `make test`. Both make .venv and say what they install.
#
#   make demo ARGS="--seconds 10 --headless"     arguments for `imusic demo`
#   make test ARGS="tests/capture -k wire"       arguments for pytest
#   make test PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
#                                                a smaller torch, where no GPU is to be used

PYTHON   ?= python3
ARGS     ?=
PIP_ARGS ?=

VENV    := .venv
PIP     := $(VENV)/bin/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --progress-bar off -c constraints.txt --build-constraint constraints.txt $(PIP_ARGS)
LOCK    := pyproject.toml constraints.txt Makefile

# What Open3D loads and its wheel does not bring.
SYSTEM_LIBRARIES := libusb-1.0-0 libgl1 libegl1 libgl1-mesa-dri libx11-6

.PHONY: demo test lint system-libraries clean

demo: $(VENV)/.demo
	$(VENV)/bin/imusic demo $(ARGS)

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: $(VENV)/.test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

$(VENV)/.demo: $(VENV)/.pip
	@echo "installing into $(VENV): imusic with [serial,viz] (no torch), as pinned in constraints.txt"
	$(INSTALL) --editable '.[serial,viz]'
	@touch $@

$(VENV)/.test: $(VENV)/.pip
	@echo "installing into $(VENV): imusic with [all] (torch too) and the test tools, as pinned in constraints.txt"
	$(INSTALL) --group dev --editable '.[all]'
	@if command -v npm >/dev/null; then \
	  npm install --prefix docs/subscribers --no-package-lock --no-audit --no-fund --silent \
	    || echo "could not install what tests need of node; they will be skipped"; fi
	@touch $@ $(VENV)/.demo

# The pip that comes with Python 3.11 knows neither --group nor --build-constraint.
$(VENV)/.pip: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "imusic needs Python 3.11 or newer; found $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@$(MAKE) --no-print-directory system-libraries
	@test -x $(VENV)/bin/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	$(PIP) install --quiet --progress-bar off -c constraints.txt --upgrade pip
	@touch $@

# Pictures want these; without them the demo draws with a plain software fallback, so nothing here may fail.
system-libraries:
	@if command -v apt-get >/dev/null && ! dpkg -s $(SYSTEM_LIBRARIES) >/dev/null 2>&1; then \
	  echo "Open3D wants system libraries: apt-get install $(SYSTEM_LIBRARIES)"; \
	  if [ "$$(id -u)" = 0 ]; then \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends $(SYSTEM_LIBRARIES) >/dev/null; } </dev/null \
	      || echo "could not install them; going on without"; \
	  else echo "not root, so going on without them (put sudo before that line to have them)"; fi; \
	fi

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
