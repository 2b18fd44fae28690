"""The global holdout group: its history, and the effect of all marketing measured against it."""
