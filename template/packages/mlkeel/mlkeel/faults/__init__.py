"""Faults to plant, so that tests are tested."""
