"""From a table to a model that one can trust."""
