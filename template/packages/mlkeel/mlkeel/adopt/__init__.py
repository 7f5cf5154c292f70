"""Make a project about another table."""
