# `make` alone lists the targets. The first target that needs the environment makes it.
PYTHON := .venv/bin/python
EXTRAS := serve,train,torch,adopt,report,tracking
BENCHES := generation warm_tests predict_row features_suite adopt_tall serving roll_over recording watching
BENCHES += false_alarms

.DEFAULT_GOAL := help
.PHONY: help test test-fast test-kit test-slow check style clean examples example bench $(BENCHES)

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1 \2/p' Makefile | while read -r name text; do printf '%-10s %s\n' "$$name" "$$text"; done

test: .venv/ready  ## Test the template, each mechanism once: what CI runs
	@$(PYTHON) -m pytest -n 2 -m "not slow" --durations=20

test-fast: .venv/ready  ## Test what needs no environment of a generated project, no container and no browser
	@$(PYTHON) -m pytest -n 2 -m "not slow and not project and not docker and not browser"

test-kit: .venv/ready  ## Test the kit where it lies, rendering nothing
	@$(PYTHON) -m pytest -n 2 tests/kit

test-slow: .venv/ready  ## Test what multiplies: all kinds of projects with all faults, long loads, many kills
	@$(PYTHON) -m pytest -n 2 -m slow --durations=20

style: .venv/ready  ## Format the code and mend what can be mended
	@$(PYTHON) -m ruff format --quiet
	@$(PYTHON) -m ruff check --fix --quiet

check: .venv/ready  ## Look for faults in style and types, and for imports of the kit against its layers
	@$(PYTHON) -m ruff format --check --quiet
	@$(PYTHON) -m ruff check --quiet
	@cd template/packages/mlkeel && $(CURDIR)/$(PYTHON) -m mypy
	@cd template/packages/mlkeel && $(CURDIR)/.venv/bin/lint-imports

clean: style  ## Format, then remove caches and the example
	@find . \( -path ./.git -o -path ./.venv \) -prune -o \
		\( -name __pycache__ -o -name .pytest_cache -o -name .ruff_cache -o -name .DS_Store \) -prune -exec rm -rf {} +
	@rm -rf example

examples: .venv/ready  ## Let adopt draft the six examples anew
	@$(PYTHON) -m tests.support.redraft

example: .venv/ready  ## Write the default project into example/
	@rm -rf example && .venv/bin/copier copy --quiet --defaults --vcs-ref HEAD . example

bench: $(BENCHES)  ## Measure: generation, warm tests, one prediction, the features suite, a tall table, the API, its records

$(BENCHES): .venv/ready
	@$(PYTHON) bench/$@.py

# pip finds a small CPU build of PyTorch where uv would fetch one of several gigabytes.
.venv/ready: pyproject.toml template/packages/mlkeel/pyproject.toml
	@python3 -m venv --clear .venv && .venv/bin/pip install --quiet uv torch==2.13.0
	@.venv/bin/uv pip install --quiet --python .venv --group dev --editable "template/packages/mlkeel[$(EXTRAS)]"
	@touch $@
