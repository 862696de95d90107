# make demo   sets up .venv and runs the whole job on embedded data (2 cores: under 10 minutes)
# make test   sets up .venv and runs the test suite                 (2 cores: under 15 minutes)
# make check  formatter and linter
PYTHON ?= python3
BIN := .venv/bin
OUTPUT ?= runs/demo
SOURCES := setup.cfg constraints.txt pyproject.toml

.PHONY: demo test check clean

demo: .venv/installed
	$(BIN)/nadv2-run --flagfile=flags/presets/demo.flags --output=$(OUTPUT)

test: .venv/installed-test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --durations=10

check: .venv/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python $(SOURCES)
	@echo "installing packages into .venv (about a minute, 2.7 GB)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-test: .venv/installed
	@echo "installing what the tests need"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[jax,test]'
# tflite-support wants an older protobuf than TensorFlow; what the tests use of it needs none.
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps tflite-support==0.4.4; fi
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info runs
