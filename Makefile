# Needs Python 3.11 or newer, pip and make; everything else is installed into .venv from locked versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(VENV) --compile-bytecode
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --no-emit-index-url --no-emit-find-links

.PHONY: help report test test-all lint bench readme lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make report    build the report pack of the sample company in reports/'
	@echo 'make test      run the tests that Python alone can run'
	@echo 'make test-all  run those that want a browser, a server, Java or time'
	@echo 'make lint      check style and format'
	@echo 'make bench     measure and write benchmarks/RESULTS.md (ONLY=pack,startup: some parts; SIZE=100: million orders)'
	@echo 'make readme    write the table of metrics into the README (make readme PLUGINS=shop_metrics.py: with yours)'
	@echo 'make lock      lock the versions again (make lock UPGRADE=--upgrade: to the newest)'
	@echo 'make clean     remove what was built, but not reports/'

report: $(VENV)/core
	$(BIN)/retention-kit report

# One file is one worker's, so what a module builds for its tests is built once.
test: $(VENV)/dev
	$(BIN)/pytest -n 2 --dist loadfile -m 'not browser and not server and not long'

test-all: $(VENV)/dev $(VENV)/spark
	$(BIN)/pytest -n 2 --dist loadfile -m 'browser or server or long'

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# Everything takes half an hour on an idle machine.
bench: $(VENV)/dev
	$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(SIZE),--size $(SIZE)) $(if $(ROUNDS),--rounds $(ROUNDS))

readme: $(VENV)/dev
	$(BIN)/python tests/test_readme.py $(PLUGINS)

# Core is locked within the choice of dev, so that the two agree.
lock: $(BIN)/uv
	$(LOCK) $(UPGRADE) pyproject.toml --group build --extra dev --extra lab --extra warehouse -o requirements/dev.txt
	$(LOCK) $(UPGRADE) pyproject.toml --group build -c requirements/dev.txt -o requirements/core.txt
	$(LOCK) $(UPGRADE) pyproject.toml --extra spark -c requirements/dev.txt -o requirements/spark.txt
	$(LOCK) $(UPGRADE) --group installer -o requirements/uv.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps: a second run finds them and installs nothing.
$(VENV)/core: $(BIN)/uv pyproject.toml requirements/core.txt
	$(INSTALL) --require-hashes -r requirements/core.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: $(VENV)/core requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# Apart from dev, since Spark alone is larger than all the rest.
$(VENV)/spark: $(VENV)/dev requirements/spark.txt
	$(INSTALL) --require-hashes -r requirements/spark.txt
	@touch $@

# The pip of PYTHON serves, so a Python without ensurepip (Debian's) will do.
$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "retention-kit needs Python 3.11 or newer, \
	and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(VENV) install --quiet --require-hashes -r requirements/uv.txt
	@touch $@
