"""Read tables, tell what their columns hold, and split them."""
