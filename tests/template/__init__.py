"""The template: its questions, what it renders, updates and hooks."""
