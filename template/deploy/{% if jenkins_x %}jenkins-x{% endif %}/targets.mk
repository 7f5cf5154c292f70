.PHONY: promote-jx
CHART = $(notdir $(wildcard deploy/jenkins-x/charts/*))

promote-jx: $(READY)  ## Promote a released version, and wait: make promote-jx ENV=production VERSION=0.1.0-...
	@[ "$$ASKED_ENV" ] && [ "$$ASKED_VERSION" ] || { echo "Say what and where to: make promote-jx ENV=production VERSION=0.1.0-..."; exit 1; }
	@$(PYTHON) hooks/image_tags.py --tag="$$ASKED_VERSION"
	@$(PYTHON) deploy/doctor.py jenkins-x
	@jx promote --batch-mode --app $(CHART) --version "$$ASKED_VERSION" --env "$$ASKED_ENV" --timeout 1h
	@echo "$(CHART) $$ASKED_VERSION is promoted to $$ASKED_ENV."
