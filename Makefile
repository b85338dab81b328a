# make demo and make test need git, make and python3 (3.11 or later); tools/setup brings the rest.
.DEFAULT_GOAL := help
.PHONY: help setup demo test slow lint bench calibrate clean
READY := .venv/.ready
export OMP_NUM_THREADS ?= 1

help:
	@echo "make demo    verify the shipped digits on the default circuit, write report/"
	@echo "make test    the test suite (make slow: the minutes-long tests)"
	@echo "make lint    ruff and mypy"
	@echo "make bench   the measured figures of the README"
	@echo "make calibrate  measure the default circuit afresh into runs/ and hold it against the shipped one (17 minutes)"
	@echo "make clean   remove report/, runs/ and caches; .venv stays"

$(READY): tools/setup pyproject.toml constraints.txt
	@tools/setup

setup: $(READY)

demo: $(READY)
	@tools/demo

test: $(READY)
	@.venv/bin/python -m pytest -n 2

slow: $(READY)
	@.venv/bin/python -m pytest -m slow

lint: $(READY)
	@.venv/bin/ruff check .
	@.venv/bin/mypy

bench: $(READY)
	@for script in emission rollout macromodel behavioural import_time; do echo "== $$script"; .venv/bin/python bench/$$script.py || exit 1; done

# Exits 0 if the fresh file agrees with the shipped one within their error bars, whether or not a check fell short.
calibrate: $(READY)
	@mkdir -p runs
	@.venv/bin/aishw calibrate ring28_isolated --force -o runs/ring28_isolated.h5 || test $$? -eq 1
	@.venv/bin/aishw inspect calibration/ring28_isolated.h5 runs/ring28_isolated.h5 --agree

clean:
	rm -rf report runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find aishw tests bench -name __pycache__ -prune -exec rm -rf {} +
