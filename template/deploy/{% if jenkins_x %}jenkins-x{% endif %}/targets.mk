.PHONY: promote-jx
CHART = $(notdir $(wildcard deploy/jenkins-x/charts/*))

promote-jx: export GOAL = $(if $(findstring command,$(origin ENV)),$(value ENV))
promote-jx: export TAG = $(if $(findstring command,$(origin VERSION)),$(value VERSION))
promote-jx: $(READY)  ## Promote a released version, and wait: make promote-jx ENV=production VERSION=0.1.0-...
	@[ "$$GOAL" ] && [ "$$TAG" ] || { echo "Say what and where to: make promote-jx ENV=production VERSION=0.1.0-..."; exit 1; }
	@$(PYTHON) hooks/image_tags.py --tag "$$TAG"
	@$(PYTHON) deploy/doctor.py jenkins-x
	@jx promote --batch-mode --app $(CHART) --version "$$TAG" --env "$$GOAL" --timeout 1h
	@echo "$(CHART) $$TAG is promoted to $$GOAL."
