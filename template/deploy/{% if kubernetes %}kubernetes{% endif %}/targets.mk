# Kubernetes. kubectl has the cluster; CONTEXT=… chooses another one than it has now.
.PHONY: deploy manifests status deploy-undo predict-batch tables

deploy: $(READY)  ## Ship a tag to Kubernetes and wait: make deploy ENV=prod TAG=… [REGISTRY=ghcr.io/ada]
	@$(PYTHON) deploy/kubernetes/rollout.py deploy

status: $(READY)  ## Say which image each pod really runs, against the one intended: make status ENV=prod
	@$(PYTHON) deploy/kubernetes/rollout.py status

deploy-undo: $(READY)  ## Go back to the roll-out before: make deploy-undo ENV=prod [REVISION=3]
	@$(PYTHON) deploy/kubernetes/rollout.py deploy-undo

manifests: $(READY)  ## Check and print what would be sent to Kubernetes: make manifests ENV=prod
	@$(PYTHON) deploy/kubernetes/rollout.py manifests

predict-batch: $(READY)  ## Predict a table in the cluster: make predict-batch ENV=prod IN=rows.csv OUT=answers.csv
	@$(PYTHON) deploy/kubernetes/rollout.py predict

tables: $(READY)  ## Copy a table to the volume in the cluster, or from it: make tables ENV=prod IN=rows.csv (or OUT=answers.csv)
	@$(PYTHON) deploy/kubernetes/rollout.py tables
