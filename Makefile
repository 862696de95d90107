# make demo   sets up .venv and runs the whole job on embedded data (2 cores: about 3 minutes)
# make test   sets up .venv and runs the test suite                 (2 cores: about 12 minutes)
# make quick  the part of the suite that another version of Python could break
# make check  formatter, linter and type checker
# With PYTHON=python3.13 they use that one, in .venv-python3.13; 3.11, 3.12 and 3.13 are tested.
PYTHON ?= python3
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
OUTPUT ?= runs/demo
SOURCES := setup.cfg constraints.txt pyproject.toml
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile
# Journals, files, exports, packaging, and one run from end to end.
QUICK := tests/spec tests/search tests/resources tests/backbones tests/layers tests/export \
  tests/test_packaging.py tests/test_stopwatch.py tests/models/test_gradients.py \
  tests/training/test_loop.py tests/training/test_fused_optimizers.py tests/pipeline/test_run.py \
  tests/benchmarks/test_networks.py tests/benchmarks/test_host_device.py tests/tasks

.PHONY: demo test quick check clean

demo: $(VENV)/installed
	$(BIN)/nadv2-run --flagfile=flags/presets/demo.flags --output=$(OUTPUT)

test: $(VENV)/installed-test
	$(PYTEST) --durations=10

quick: $(VENV)/installed-test
	$(PYTEST) $(QUICK)

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@rm -rf build/types && mkdir -p build/types/nadv2_tf
# flags, export and benchmarks lie at the top of the tree; a type checker wants them where they belong.
	@for room in nadv2_tf/* flags export benchmarks; do \
	  ln -s "$(CURDIR)/$$room" build/types/nadv2_tf/; done
	cd build/types && $(abspath $(BIN))/mypy --config-file $(CURDIR)/setup.cfg -p nadv2_tf

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed (TensorFlow has no wheel for a newer one);" \
	    "name it with make PYTHON=python3.13"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	@echo "installing packages into $(VENV) (about a minute, 2.7 GB)"
	@$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "installing what the tests need"
	@$(PIP) -c constraints.txt -e '.[jax,test]'
# tflite-support wants an older protobuf than TensorFlow; what the tests use of it needs none.
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then \
	  $(PIP) --no-deps tflite-support==0.4.4; fi
	@touch $@

clean:
	rm -rf .venv .venv-* build dist *.egg-info runs
