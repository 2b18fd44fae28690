"""Experiments on placements and search: variants in the serving state, and their registration as subjects."""
