"""Models: families to start from, and the interface of any other."""
