"""Tasks: classification and regression, with their outputs, metrics, baselines and evaluation."""
