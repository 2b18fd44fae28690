"""The shop platforms: one file each, with a common interface (base.py), listed in registry.py."""
