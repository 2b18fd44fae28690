"""Proves an erasure: searches every file, key and column for the person, without trusting the stores that erased."""
