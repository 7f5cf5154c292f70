"""Encode rows as the matrix that a model takes."""
