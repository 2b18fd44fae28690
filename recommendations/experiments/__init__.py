"""Experiments on placements, search, messages and offers."""
