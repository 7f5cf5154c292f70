"""Adopt another table: infer the roles of its columns and replace the example with it."""
