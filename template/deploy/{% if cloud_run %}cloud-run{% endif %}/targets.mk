# Cloud Run; see deploy/cloud-run/README.md
.PHONY: deploy-cloud-run status-cloud-run

deploy-cloud-run: $(READY)  ## Run an image in Cloud Run: make deploy-cloud-run TAG=… REGISTRY=… REGION=… PROJECT=…
	@$(PYTHON) hooks/image_tags.py --tag="$$ASKED_TAG"
	@$(PYTHON) deploy/doctor.py cloud-run
	@$(PYTHON) deploy/cloud-run/cloud_run.py --region="$$ASKED_REGION" --project="$$ASKED_PROJECT" --image="$$ASKED_REGISTRY/$(PACKAGE):$$ASKED_TAG"

status-cloud-run: $(READY)  ## Compare what runs in Cloud Run with service.yaml: make status-cloud-run REGION=… PROJECT=…
	@$(PYTHON) deploy/cloud-run/cloud_run.py --region="$$ASKED_REGION" --project="$$ASKED_PROJECT"
