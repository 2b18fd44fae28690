"""The destinations: one file a kind, one shape."""
