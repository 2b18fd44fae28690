"""The shop platforms: one file each, of one shape (base.py), listed in registry.py."""
