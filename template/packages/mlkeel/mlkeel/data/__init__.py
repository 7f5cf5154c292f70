"""Read tables, recognize the types of their columns, and split them."""
