"""Predict rows with a version, and explain the predictions."""
