"""From a table to a model one can trust: contract, training, artifact, prediction."""
