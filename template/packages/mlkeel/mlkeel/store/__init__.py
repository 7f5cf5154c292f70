"""Store predictions, violations, feedback and runs of the monitor in a database."""
