# Everything is set up in .venv from PyPI; `make demo` and `make test` need Python 3.11+ with venv, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
RESOLVE := .venv/uv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" --quiet
DATA ?= .hub/demo
PORT ?= 8501

.DEFAULT_GOAL := help
.PHONY: help setup demo live dashboard notebook test chaos lint kernels docs measure bench lock clean

help:
	@echo "make demo       run the main job on real candles"
	@echo "make live       watch the live system on a simulated exchange, without a network (FOR=60s ends it by itself)"
	@echo "make dashboard  look at the demo's data in a browser (DATA=$(DATA) PORT=$(PORT))"
	@echo "make notebook   open the notebooks in JupyterLab on the demo's candles"
	@echo "make test       lint, types and tests"
	@echo "make chaos      kill, cut, fill up and attack everything for half an hour and write docs/reliability.md"
	@echo "make lint       ruff and mypy"
	@echo "make kernels    regenerate indicators/_kernels from the indicators"
	@echo "make docs       write docs/indicators.md from the indicators and what was measured"
	@echo "make measure    measure the indicators' settling and agreement, then make docs"
	@echo "make bench      run the benchmarks and write docs/benchmarks.md"
	@echo "make lock       resolve requirements.lock again"

# The lock is complete, so pip need not resolve: --no-deps also keeps it from second-guessing prefect's bounds.
.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Condition Hub needs Python 3.11 or later; point to one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing pinned packages into .venv (a minute or two, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m engine.warming
	@touch .venv/.ready

setup: .venv/.ready

demo: setup
	@$(BIN)/hub demo

live: setup
	@$(BIN)/hub live $(if $(FOR),--for $(FOR))

dashboard: setup
	@HUB_DATA_DIR=$(DATA) $(BIN)/streamlit run app_streamlit.py --server.port $(PORT)

# JupyterLab and what it needs are many packages that nothing else here uses, so they come with the first notebook.
.venv/.notebook: .venv/.ready requirements-notebook.lock
	@echo "Installing JupyterLab into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-notebook.lock
	@touch .venv/.notebook

notebook: .venv/.notebook
	@HUB_DATA_DIR=$(DATA) $(BIN)/jupyter lab notebooks

test: setup lint
	@$(BIN)/python -m indicators.codegen --check
	@$(BIN)/python -m indicators.codegen.page --check
	@# Kernels first: workers that find none would each compile them all.
	@$(BIN)/python -m engine.warming
	@# A file's tests stay with one worker; files begin in the order of tests/conftest.py, the longest first.
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

chaos: setup
	@HUB_CHAOS_REPORT=1 HUB_TEST_EFFORT=10 $(BIN)/pytest tests/chaos tests/attacks tests/flows/test_worker.py \
		tests/flows/test_nights.py tests/flows/test_deployments.py tests/flows/test_sharded_workers.py \
		tests/hub/demo/test_live.py tests/hub/demo/test_demo_killed.py tests/bots/test_properties.py

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

kernels: setup
	@$(BIN)/python -m indicators.codegen

docs: setup
	@$(BIN)/python -m indicators.codegen.page

measure: setup
	@$(BIN)/python -m tests.indicators.measuring
	@$(BIN)/python -m indicators.codegen.page

bench: setup
	@$(BIN)/python -m benchmarks

lock: setup
	@$(BIN)/python -m venv .venv/uv && .venv/uv/bin/pip install --quiet uv
	@$(RESOLVE) --output-file requirements.lock
	@$(RESOLVE) --extra notebook --constraints requirements.lock --output-file requirements-notebook.lock

clean:
	@rm -rf .venv .hub
