"""Containers, Kubernetes, clouds and pipelines."""
