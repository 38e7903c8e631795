# Each target does all of its own set-up: a virtual environment in .venv with pinned versions.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench bench-failures certificate docs site clean
.DELETE_ON_ERROR:

demo: .venv/runtime  ## the main job on real data: which loss should I train with?
	@mkdir -p demo
	$(BIN)/losskit compare --example diabetes -o demo/diabetes.png
	$(BIN)/losskit compare --example breast-cancer -o demo/breast-cancer.png
	@echo "Pictures: demo/diabetes.png and demo/breast-cancer.png"

test: .venv/dev  ## all tests, the examples in the docs included
	$(BIN)/python -m pytest -n auto

check: .venv/dev  ## format, lint, types, and the tests with every set of parameters
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	LOSSKIT_THOROUGH=1 $(BIN)/python -m pytest -n auto

bench: .venv/peers  ## speed beside the peers; ARGS="--quick --only huber" narrows it
	PYTHONPATH=.venv/peers $(BIN)/python -m benchmarks $(ARGS)

bench-failures: .venv/peers  ## inputs on which released losses fail, peer by peer; ARGS="--only torch" narrows it
	PYTHONPATH=.venv/peers $(BIN)/python -m benchmarks.failures $(ARGS)

certificate: .venv/dev  ## how far each loss is from the truth; ARGS="--only huber" narrows it
	$(BIN)/python -m certificate $(ARGS)

docs: .venv/dev  ## a page and a picture for each loss, and the tables of all, from the classes
	$(BIN)/python docs/generate.py

site: .venv/docs  ## the documentation as a site in docs/_build: guides, a page for each loss, and the lessons, run
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build
	@echo "Site: docs/_build/index.html"

clean:
	rm -rf .venv demo docs/_build docs/gallery

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "losskit needs Python 3.11 or later; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: requirements-dev.txt .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/peers: requirements-bench.txt .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ -r requirements-bench.txt
	@touch $@

.venv/docs: requirements-docs.txt .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@
