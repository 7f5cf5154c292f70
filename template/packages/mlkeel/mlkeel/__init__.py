"""A library beside your code: contract, training, inference, serving and monitoring of a model that can be trusted."""
