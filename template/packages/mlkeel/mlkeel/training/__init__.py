"""Train on a table, and publish a version of the model."""
