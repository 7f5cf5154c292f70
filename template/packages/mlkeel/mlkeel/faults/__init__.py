"""Data faults to plant, so that tests are tested."""
