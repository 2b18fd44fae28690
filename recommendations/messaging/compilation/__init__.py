"""Compiles a source for one language into fragments that a recipient's values are put into."""
