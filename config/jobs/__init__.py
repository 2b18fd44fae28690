"""Runs of the scheduled jobs: their records, starting and canceling them by hand, and explanations of their errors."""
