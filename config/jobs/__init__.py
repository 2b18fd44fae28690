"""Runs of the scheduled jobs: a record of each, started by hand, cancelled, and the errors in words."""
