"""A generated project, as a person uses it."""
