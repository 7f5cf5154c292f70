"""Behaviour cases of a model, as data, and perturbations of rows."""
