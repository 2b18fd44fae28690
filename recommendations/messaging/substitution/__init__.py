"""Puts the values of one recipient into a compiled message."""
