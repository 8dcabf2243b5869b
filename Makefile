# Sets up what it needs inside .venv, with Python 3.10 or newer and pip alone. The two commands of a newcomer:
#
#   make serve [MODEL=…] [PORT=8080]   serve a model on its demo data
#   make test                          all tests, linters and types

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL ?= outlink-topic-model
PORT ?= 8080
PLUGINS := $(wildcard plugins/*)
# torch is a gigabyte: what needs it is tested where it is installed, and always in continuous integration. The build
# for CPUs alone: TORCH='torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu'
TORCH ?= torch==2.13.0
NEED_TORCH := plugins/alexnet
TESTED := $(filter-out $(if $(CI),,$(NEED_TORCH)),$(PLUGINS))
# What `make serve` installs: the plugin that brings the model, and no other. revscoring is 400 MB.
PLUGIN := $(if $(filter %-goodfaith %-damaging %-reverted %-articlequality %-draftquality %-articletopic \
  %-drafttopic %-itemquality %-itemtopic,$(MODEL)),revscoring,$(if $(filter langid,$(MODEL)),langid,$(if \
  $(filter alexnet alexnet-model efficientnet-lite0,$(MODEL)),alexnet,outlink)))
PROJECTS := pyproject.toml $(PLUGINS:%=%/pyproject.toml)
# Continuous integration's has more in it, and so is another one.
SET_UP := $(VENV)/.tested$(if $(CI),-ci)
CHECKED := .

.PHONY: serve test check format bench soak mediawiki lock clean

serve: $(VENV)/.installed-$(PLUGIN)
	$(BIN)/liftwing-host serve --demo --model $(MODEL) --port $(PORT)

test: check
	$(BIN)/coverage erase
# Faults and deadlines are timed, on a machine that others may be using: what fails is run once more by itself, and
# what fails twice has failed.
	$(BIN)/coverage run -m pytest --durations 20 || $(BIN)/coverage run -m pytest --last-failed --last-failed-no-failures none
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(SET_UP)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	PYTHONPATH=$(NEED_TORCH) $(BIN)/lint-imports --no-cache

format: $(SET_UP)
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

# Beside the peers, each in its own environment; about 25 minutes. See tests/benchmarks/README.md.
bench: $(SET_UP)
	$(BIN)/python tests/benchmarks/bench.py $(BENCH)

# Mixed load for ten minutes, with a worker killed every second.
soak: $(SET_UP)
	$(BIN)/python tests/soak.py --minutes 10

# A real MediaWiki, for trying the outlink plugin by hand against a wiki of one's own.
mediawiki: $(SET_UP)
	tests/mediawiki/install.sh
	PYTHONPATH=tests $(BIN)/python tests/mediawiki/serve.py --directory .cache/mediawiki --port 8081

# The versions that images install. LOCK="--upgrade" takes the newest.
lock:
	locks/renew.sh $(PYTHON) $(LOCK)

clean:
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .coverage*

# Debian splits the part of venv that brings pip into a package of its own; pip itself can stand in for it.
# An environment of an older Python would be there the next time, too, whatever PYTHON is then.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, and this is %d.%d. Name one: make PYTHON=python3.11" \
	  % sys.version_info[:2] if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
	  { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || \
	  { rm -rf $(VENV); exit 1; }

$(VENV)/.installed-%: $(BIN)/python pyproject.toml plugins/%/pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -e ./plugins/$* \
	  $(if $(filter plugins/$*,$(NEED_TORCH)),$(TORCH))
	touch $@

# Ray is a quarter of a gigabyte; its tests are collected where it is installed, and always in continuous integration.
$(SET_UP): $(BIN)/python $(PROJECTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]' $(TESTED:%=-e ./%) \
	  $(if $(CI),$(TORCH) 'ray[client]==2.60.0')
	touch $@
