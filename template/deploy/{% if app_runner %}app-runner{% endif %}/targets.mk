# App Runner; see deploy/app-runner/README.md
.PHONY: deploy-app-runner status-app-runner

deploy-app-runner: $(READY)  ## Run an image in App Runner: make deploy-app-runner TAG=… REGISTRY=… [REGION=…]
	@$(PYTHON) hooks/image_tags.py --tag="$$ASKED_TAG"
	@$(PYTHON) deploy/doctor.py app-runner
	@$(PYTHON) deploy/app-runner/app_runner.py --region="$$ASKED_REGION" --image="$$ASKED_REGISTRY/$(PACKAGE):$$ASKED_TAG"

status-app-runner: $(READY)  ## Compare what runs in App Runner with service.json: make status-app-runner [REGION=…]
	@$(PYTHON) deploy/app-runner/app_runner.py --region="$$ASKED_REGION"
