"""Turn rows into the matrix that a model takes."""
