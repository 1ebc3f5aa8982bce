# make repro: the whole pipeline. make test: the tests. Each makes .venv first when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test lint clean-venv

repro: $(READY) .dvc/tmp/scm
	dvc repro
	@echo
	@echo "Look at report/index.html. In numbers: dvc metrics show. After a change: dvc metrics diff."

test: $(READY)
	pytest

lint: $(READY)
	ruff check .
	ruff format --check .

# The lock is installed without resolving: tidecv asks for an OpenCV that needs libGL, and the
# lock has the headless one.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing: apt install python3-venv"; exit 1; }
	@echo "Installing requirements.lock into $(VENV): some gigabytes, a few minutes, once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# An unpacked source archive has no git; DVC then has to be told so, once.
.dvc/tmp/scm: | $(READY)
	@mkdir -p $(@D)
	@git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true
	@touch $@

clean-venv:
	rm -rf $(VENV)
