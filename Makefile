# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test test-web lint install clean

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

# The page in a headless browser; skipped with a message where none can be had.
test-web: $(VENV)/.installed
	tests/web/browser.sh $(BIN)

clean:
	rm -rf $(VENV) $(DEMO)
