# Every target does its own set-up: a virtual environment in .venv, and in it the pinned packages of requirements/.
# A stamp in .venv remembers each set that is installed, so the second call of a target installs nothing.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# Errors only: some indexes answer every package with a warning.
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-input

# Tests run in two processes; each keeps to one BLAS thread, since two pools on two cores cost ten times what they gain.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

# On a machine without a network whose own Python has CuPy and pytest: make test-gpu GPU_PYTHON=python3; where it has
# PyTorch and JAX for CUDA too: make gpu-report GPU_PYTHON=python3. `make peers` installs those for the CPU.
GPU_PYTHON ?= $(PY)

.DEFAULT_GOAL := help
.PHONY: help train train-full test test-gpu test-pretended test-peers lint bench gpu-report peers clean
.DELETE_ON_ERROR:

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

train: $(VENV)/.run ## train the default network on MNIST, diagnose it, write a report
	@$(PY) -m recipe train

train-full: $(VENV)/.run ## the same in its full form, 15 epochs
	@$(PY) -m recipe train --epochs 15

test: lint ## lint, check types and run the tests
	@$(ONE_THREAD) $(PY) -m pytest -q -n 2

test-gpu: $(if $(filter $(PY),$(GPU_PYTHON)),$(VENV)/.gpu) ## run the table of tests on CuPy (needs a CUDA device)
	@$(ONE_THREAD) $(GPU_PYTHON) -m pytest -q -m gpu

test-pretended: $(VENV)/.dev ## run the tests that want a GPU on a pretended one, with CuPy (installs it)
	@$(ONE_THREAD) $(PY) -m tests.pretended pytest -q -m gpu -n 2

test-peers: peers ## compare with PyTorch, JAX and others (installs them)
	@$(ONE_THREAD) $(PY) -m pytest -q -m peers

lint: $(VENV)/.dev ## ruff and mypy
	@$(PY) -m ruff check --quiet
	@$(PY) -m mypy --no-error-summary

bench: peers ## measure single ops, training steps and their memory against peers (installs them)
	@$(PY) -m benchmarks overhead
	@$(PY) -m benchmarks speed
	@$(PY) -m benchmarks layers
	@$(PY) -m benchmarks operations
	@$(PY) -m benchmarks memory

gpu-report: $(if $(filter $(PY),$(GPU_PYTHON)),$(VENV)/.gpu) ## measure training steps and launches on a GPU, within five minutes
	@$(GPU_PYTHON) -m benchmarks gpu

peers: $(VENV)/.peers $(VENV)/.peers-hips $(VENV)/.peers-mygrad ## install what the benchmarks compare with

clean: ## remove the virtual environment and what the tools left
	@rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing that venv makes: where it exists, the environment is whole.
$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "tapegrad needs Python 3.11 or newer, and there is no $(PYTHON) here:" \
	    "install it (on Debian: apt-get install python3 python3-venv), or name yours: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tapegrad needs Python 3.11 or newer, and" \
	    "$(PYTHON) is $$($(PYTHON) -V 2>&1): install a newer one and name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module, which the set-up needs:" \
	    "install it (on Debian: apt-get install python3-venv) and run make again" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

# A peer whose import name is ours, or that nothing else needs, has a folder of its own, which only its own process sees.
$(VENV)/.peers-%: requirements/peers-%.txt | $(VENV)/bin/pip
	@echo "installing $< (once)"
	@rm -rf $(VENV)/peers/$*
	@$(INSTALL) --no-deps --target $(VENV)/peers/$* -r $<
	@touch $@

$(VENV)/.%: requirements/%.txt | $(VENV)/bin/pip
	@echo "installing $< (once)"
	@$(INSTALL) -r $<
	@touch $@

$(VENV)/.dev $(VENV)/.peers $(VENV)/.gpu: requirements/run.txt
$(VENV)/.peers $(VENV)/.gpu: requirements/dev.txt
