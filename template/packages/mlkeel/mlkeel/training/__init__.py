"""From a table to a version of the model."""
