"""Versions of the model on disk, and what decides which is current."""
