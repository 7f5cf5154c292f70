"""Where answered rows are recorded."""
