"""Monitor a model in production: violations, drift, quality and alarms."""
