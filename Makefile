# Needs Python 3.11 or newer, pip and make; everything else is installed into .venv from locked versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(VENV) --compile-bytecode
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --no-emit-index-url --no-emit-find-links

# Tests start a hundred processes, each of which would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help report test test-all lint docs bench readme lock lowest licenses fuzz faults clean
.DELETE_ON_ERROR:

help:
	@echo 'make report    build the report pack of the sample company in reports/'
	@echo 'make test      run the tests that Python alone can run'
	@echo 'make test-all  run those that want a browser, a server, Java or time'
	@echo 'make lint      check style, format and types'
	@echo 'make docs      build docs/ as a site into build/docs'
	@echo 'make bench     measure and write benchmarks/RESULTS.md (ONLY=pack,startup: some parts; SIZE=100: million orders)'
	@echo 'make readme    write the lists of metrics and commands into README and docs/ (make readme PLUGINS=shop_metrics.py: with yours)'
	@echo 'make lock      lock the versions again (make lock UPGRADE=--upgrade: to the newest)'
	@echo 'make fuzz      spoil files of every kind for a minute each (make fuzz SEED=1: others); kill lists at every line'
	@echo 'make faults    kill report, run and send 200 times each and write benchmarks/FAULTS.md (TRIALS=20: fewer)'
	@echo 'make lowest    run the tests of the core on the lowest versions that pyproject.toml allows'
	@echo 'make licenses  write build/licenses.md and build/sbom.json: what the core installs, and under which licences'
	@echo 'make clean     remove what was built, but not reports/'

report: $(VENV)/core
	$(BIN)/retention-kit report

# One file is one worker's, so what a module builds for its tests is built once. A worker more than there are processors,
# since one often waits: for kernels, servers and browsers.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
test: $(VENV)/dev
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m 'not browser and not server and not long'

# Browsers apart: their event loop would stand in the way of the explorer's.
test-all: $(VENV)/dev $(VENV)/spark
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m browser
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m '(server or long) and not browser'

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# In an environment of its own, so that the core stays free of it. A dead link stops it.
docs: $(BIN)/uv
	rm -rf build/docs
	$(BIN)/uv run --quiet --no-project --isolated --python $(BIN)/python --with-requirements requirements/docs.txt \
		sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --builder html docs build/docs

# Everything takes half an hour on an idle machine.
bench: $(VENV)/dev
	$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(SIZE),--size $(SIZE)) $(if $(ROUNDS),--rounds $(ROUNDS))

fuzz: $(VENV)/dev
	RETENTION_KIT_FUZZ=60 RETENTION_KIT_FUZZ_SEED=$(or $(SEED),17) $(BIN)/pytest -q tests/data/test_fuzz.py
	RETENTION_KIT_STRIDE=1 $(BIN)/pytest -q tests/delivery/test_follow_up_lists.py -k killed

faults: $(VENV)/dev
	$(BIN)/python benchmarks/faults.py $(if $(TRIALS),--trials $(TRIALS))

readme: $(VENV)/dev
	$(BIN)/python tests/test_readme.py $(PLUGINS)

# Core is locked within the choice of dev, so that the two agree.
lock: $(BIN)/uv
	$(LOCK) $(UPGRADE) pyproject.toml --group build --extra dev --extra lab --extra warehouse --extra survey --extra apprise -o requirements/dev.txt
	$(LOCK) $(UPGRADE) pyproject.toml --group build -c requirements/dev.txt -o requirements/core.txt
	$(LOCK) $(UPGRADE) pyproject.toml --extra spark -c requirements/dev.txt -o requirements/spark.txt
	$(LOCK) $(UPGRADE) --group installer -o requirements/uv.txt
	$(LOCK) $(UPGRADE) --group licenses -o requirements/licenses.txt
	$(LOCK) $(UPGRADE) --group docs -o requirements/docs.txt

# In an environment of its own: that the bounds of pyproject.toml are true, and not those of the lock.
LOWEST := $(VENV)-lowest
RESOLUTION ?= lowest-direct
lowest: $(BIN)/uv
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST) --resolution $(RESOLUTION) '.[warehouse]' \
		pytest hypothesis pyarrow polars aiosmtpd trustme pypdf pikepdf
	$(LOWEST)/bin/python -m retention_kit.cli report --output build/lowest
	$(LOWEST)/bin/python -m pytest -q -m 'not browser and not server and not long' tests/metrics/test_vectors.py tests/metrics/test_metrics.py \
		tests/report/test_exporters.py tests/data/test_workbooks.py tests/report/test_pdf.py tests/report/test_mail.py tests/report/test_outputs.py

# In an environment of their own, so that the tools are none of what they tell of.
TOLD := $(BIN)/uv run --quiet --no-project --isolated --with-requirements requirements/licenses.txt
licenses: $(VENV)/core
	mkdir -p build
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/core
	$(BIN)/uv pip install --quiet --python build/core --require-hashes -r requirements/core.txt
	$(TOLD) cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file build/sbom.json build/core
	$(TOLD) pip-licenses --python build/core/bin/python --format=markdown --with-urls --output-file build/licenses.md

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist .pytest_cache .ruff_cache
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
