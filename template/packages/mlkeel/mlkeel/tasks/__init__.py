"""What a model is asked to predict, a class or a number, and how well it does."""
