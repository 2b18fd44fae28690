"""Brings the data of connected shops here: runs with a cursor, and the writers of records."""
