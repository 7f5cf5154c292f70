# App Runner; see deploy/app-runner/README.md
.PHONY: deploy-app-runner status-app-runner

deploy-app-runner: $(READY)  ## Run an image in App Runner: make deploy-app-runner TAG=… REGISTRY=… [REGION=…]
	@$(PYTHON) hooks/image_tags.py --tag="$$TAG"
	@$(PYTHON) deploy/doctor.py app-runner
	@$(PYTHON) deploy/app-runner/app_runner.py --region="$$REGION" --image="$$REGISTRY/$(PACKAGE):$$TAG"

status-app-runner: $(READY)  ## Compare what runs in App Runner with service.json: make status-app-runner [REGION=…]
	@$(PYTHON) deploy/app-runner/app_runner.py --region="$$REGION"
