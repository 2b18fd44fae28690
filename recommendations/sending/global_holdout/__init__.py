"""The global holdout group: its history, and what all marketing causes by comparison with it."""
