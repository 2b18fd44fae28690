"""Counts of what automated visitors do."""
