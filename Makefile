# Everything a person or the build runs. `make demo` and `make test` need Python 3.11+, git and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# As many tests at once as the machine has processors; WORKERS=0 runs them in one process.
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses $(WORKERS) --dist worksteal
# Compiled modules that are kept halve the start of a process, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
MEMBERS := engine stats sdk-python server cli examples/shop
MEMBER_FILES := $(addsuffix /pyproject.toml,$(MEMBERS))

.PHONY: install demo test check lint types contracts coverage product-tests engine-compiled engines engines-large simulations simulations-page bench screenshots requirements node-modules clean help

help:
	@echo "make install the server and its commands in .venv/bin"
	@echo "make demo   the running product with live demo traffic on http://127.0.0.1:8000"
	@echo "make test   every test that this machine can run"
	@echo "make check  format, lint, types, import contracts, coverage, tests: what CI runs"
	@echo "make engines PostgreSQL, ClickHouse, Spark and BigQuery's analyzer, against plain Python: what CI runs, too"

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Equipoise needs Python 3.11 or later; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# Third parties come from the hashed files alone; the workspace's own members are added without their dependencies.
$(VENV)/.product: requirements.txt $(MEMBER_FILES) | $(BIN)/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS))
	@touch $@

$(VENV)/.develop: requirements/develop.txt $(VENV)/.product
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/develop.txt
	@touch $@

# The TypeScript SDK's compiler and peers; without Node its tests are left out, and the summary says so.
NODE_MODULES := sdk-typescript/node_modules/.package-lock.json
node-modules: $(NODE_MODULES)

$(NODE_MODULES): sdk-typescript/package-lock.json
	@if command -v npm >/dev/null; then cd sdk-typescript && npm ci --silent --ignore-scripts && touch node_modules/.package-lock.json; \
	else echo "npm is not on PATH: the TypeScript SDK is not built"; fi

install: $(VENV)/.product

demo: $(VENV)/.product
	$(BIN)/equipoise-server demo

test: $(VENV)/.develop $(NODE_MODULES)
	$(PYTEST) $(PARALLEL)

# What needs one processor each goes side by side, then the tests take them all.
SIDE_BY_SIDE := --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
check: $(VENV)/.develop
	$(MAKE) $(SIDE_BY_SIDE) lint types contracts engine-compiled
	$(MAKE) coverage
	$(MAKE) product-tests

lint: $(VENV)/.develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.develop
	$(BIN)/mypy engine/src stats/src sdk-python/src server/src cli/src examples/shop/src
	cd stats && MYPYPATH=src ../$(BIN)/mypy --config-file ../pyproject.toml -p simulations

contracts: $(VENV)/.develop
	$(BIN)/lint-imports

# The coverage of engine and stats is held at 100 % by their own tests; to follow lines would double the time of others.
COVERED := engine/tests stats/tests
coverage: $(VENV)/.develop
	$(PYTEST) $(PARALLEL) $(COVERED) --cov --cov-report=term:skip-covered

# Every test that is no engine's and no statistics': with `coverage`, the whole suite once.
OTHERS = $(filter-out $(COVERED),$(shell $(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["tool"]["pytest"]["ini_options"]["testpaths"])'))
product-tests: $(VENV)/.develop $(NODE_MODULES)
	$(PYTEST) $(PARALLEL) $(OTHERS)

# The optional wheel of the engine as machine code, into dist/; then the engine's own tests on what it holds.
COMPILED := dist/engine-compiled
engine-compiled: $(VENV)/.develop
	rm -rf $(COMPILED)
	cd engine && EQUIPOISE_COMPILED=1 ../$(BIN)/hatchling build -t wheel -d ../$(COMPILED)
	$(BIN)/python -m zipfile -e $(COMPILED)/*.whl $(COMPILED)/unpacked
	PYTHONPATH=$(COMPILED)/unpacked $(BIN)/python -c "import equipoise_engine.murmur as m; assert m.IS_COMPILED"
	PYTHONPATH=$(COMPILED)/unpacked $(PYTEST) engine/tests

# The engines beside DuckDB, apart from the product: ClickHouse, Spark, and the analyzer of BigQuery's language.
ENGINES := $(VENV)/engines
$(VENV)/.engines: requirements/engines.txt $(VENV)/.develop
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --target $(ENGINES) -r requirements/engines.txt
	@touch $@

GOOGLESQL := server/tests/googlesql/node_modules/.package-lock.json
$(GOOGLESQL): server/tests/googlesql/package-lock.json
	@if command -v npm >/dev/null; then cd server/tests/googlesql && npm ci --silent --ignore-scripts && touch node_modules/.package-lock.json; \
	else echo "npm is not on PATH: BigQuery's statements are not analysed"; fi

# Every engine computes every kind of metric, against plain Python. Spark needs Java 17.
engines: $(VENV)/.engines $(GOOGLESQL)
	@command -v java >/dev/null || { echo "Java is not on PATH: install Java 17 (.ci/run does)"; exit 1; }
	PYTHONPATH=$(CURDIR)/$(ENGINES) $(PYTEST) server/tests/analysis/engines

# The same on a million units, for the night: minutes, and some gigabytes of memory.
engines-large: $(VENV)/.engines
	PYTHONPATH=$(CURDIR)/$(ENGINES) $(BIN)/python bench/engines.py postgresql clickhouse spark --units 1000000

# Every study at full size, one after the other, and the page of what they find.
simulations: $(VENV)/.develop
	cd stats && ../$(BIN)/python -m simulations.stored ../docs/statistics/simulations.json
	$(MAKE) simulations-page

simulations-page: $(VENV)/.develop
	cd stats && ../$(BIN)/python -m simulations.page

# The README's pictures, from a demo that runs in another terminal.
SERVER ?= http://127.0.0.1:8000
screenshots: $(VENV)/.develop
	$(BIN)/python tools/screenshots.py $(SERVER) --email pat@example.com --password equipoise-demo \
		--out docs/images --width 1280 --height 1000 \
		/p/shop/production/experiments/checkout-button /p/shop/production/experiments/one-page-checkout

requirements: $(BIN)/uv
	requirements/compile.sh

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage
	rm -rf sdk-typescript/node_modules sdk-typescript/dist sdk-typescript/build server/tests/googlesql/node_modules
