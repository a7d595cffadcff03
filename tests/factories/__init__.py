"""Factories of rows for tests, with as few fields as the rules allow."""
