# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test test-web lint install docs dist clean

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[train,test]"
	touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/spectype demo --out $(DEMO)

lint: $(VENV)/.installed
	$(BIN)/ruff check src tests recipes
	$(BIN)/ruff format --check src tests recipes
	$(BIN)/mypy

# Two processes of one thread each: small tensors gain nothing from two threads. A file's tests stay
# together, since they share costly fixtures.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs,dist]"
	touch $@

# Pages and reference; a warning, or a link inside that leads nowhere, is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# Wheel and source, made twice: the same bytes, or it fails.
dist: $(VENV)/.docs
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --outdir dist .
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --outdir dist/again .
	for file in dist/*.whl dist/*.tar.gz; do cmp $$file dist/again/$$(basename $$file) || exit 1; done
	rm -rf dist/again
	$(BIN)/python -m twine check --strict dist/*
	cd dist && sha256sum *

# The page in a headless browser; skipped with a message where none can be had.
test-web: $(VENV)/.installed
	tests/web/browser.sh $(BIN)

clean:
	rm -rf $(VENV) $(DEMO) dist docs/_build docs/api
