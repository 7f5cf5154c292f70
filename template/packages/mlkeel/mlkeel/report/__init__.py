"""Show data and model to a person."""
