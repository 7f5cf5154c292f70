# Kubernetes. kubectl has the cluster; CONTEXT=… chooses another one than it has now.
KUBERNETES := deploy manifests status deploy-undo predict-batch tables doctor
.PHONY: deploy manifests status deploy-undo predict-batch tables
# Only what stands on the command line is asked for, and as it stands there.
ASKED = $(if $(findstring command,$(origin $(1))),$(value $(1)))
$(KUBERNETES): export ASKED_ENV := $(call ASKED,ENV)
$(KUBERNETES): export ASKED_CONTEXT := $(call ASKED,CONTEXT)
$(KUBERNETES): export ASKED_TAG := $(call ASKED,TAG)
$(KUBERNETES): export ASKED_REGISTRY := $(call ASKED,REGISTRY)
$(KUBERNETES): export ASKED_REVISION := $(call ASKED,REVISION)
$(KUBERNETES): export ASKED_IN := $(call ASKED,IN)
$(KUBERNETES): export ASKED_OUT := $(call ASKED,OUT)

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
