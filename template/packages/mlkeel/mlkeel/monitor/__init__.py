"""Watch a model in production."""
