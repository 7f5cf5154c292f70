"""Answer rows with an artifact, and explain the answers."""
