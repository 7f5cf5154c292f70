"""Draft the contract from a table."""
