# Everything runs in .venv, made on first use and renewed when the dependencies change.

PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= 3

.PHONY: demo run test test-all lint format audit fuzz bench chaos clean

demo: $(READY)
	@$(BIN)/muster demo

run: $(READY)
	@$(BIN)/muster run

test: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-all: $(READY)
	MUSTER_TEST_ALL_DATABASES=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: $(READY)
	$(BIN)/python .ci/audit

fuzz: $(READY)
	$(BIN)/python -m benchmarks.fuzz

bench: $(READY)
	$(BIN)/python -m benchmarks

chaos: $(READY)
	$(BIN)/python -m chaos --write

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
