"""The page about what marketing and recommendations cause."""
