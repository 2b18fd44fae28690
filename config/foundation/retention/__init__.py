"""The registry of kinds of data with the time they are kept; each app registers its own in ``stored_data/retention_kinds.py``."""
