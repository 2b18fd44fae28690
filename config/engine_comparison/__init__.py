"""Runs everything that is computed from the warehouse on two engines and compares the results."""
