"""Fixtures for the tests of a project, and the faults that test these tests."""
