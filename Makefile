# `make` alone lists the targets. The first target that needs the environment makes it.
PYTHON := .venv/bin/python
BENCHES := generation warm_tests predict_row features_suite adopt_tall serving roll_over recording watching
BENCHES += false_alarms

.DEFAULT_GOAL := help
.PHONY: help test style clean drafts example bench $(BENCHES)

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1 \2/p' Makefile | while read -r name text; do printf '%-10s %s\n' "$$name" "$$text"; done

test: .venv/ready  ## Test the template, newborns and updates among it
	@$(PYTHON) -m pytest -n 2 --dist loadgroup

style: .venv/ready  ## Format the code and mend what can be mended
	@$(PYTHON) -m ruff format --quiet
	@$(PYTHON) -m ruff check --fix --quiet

clean: style  ## Format, then remove caches and the example
	@find . \( -path ./.git -o -path ./.venv \) -prune -o \
		\( -name __pycache__ -o -name .pytest_cache -o -name .ruff_cache -o -name .DS_Store \) -prune -exec rm -rf {} +
	@rm -rf example

drafts: .venv/ready  ## Let adopt draft the six examples anew
	@$(PYTHON) -m tests.redraft

example: .venv/ready  ## Write the default project into example/
	@rm -rf example && .venv/bin/copier copy --quiet --defaults --vcs-ref HEAD . example

bench: $(BENCHES)  ## Measure: generation, warm tests, one prediction, the features suite, a tall table, the API, its records

$(BENCHES): .venv/ready
	@$(PYTHON) bench/$@.py

.venv/ready: pyproject.toml
	@python3 -m venv --clear .venv && .venv/bin/pip install --quiet uv && .venv/bin/uv pip install --quiet --python .venv --group dev
	@touch $@
