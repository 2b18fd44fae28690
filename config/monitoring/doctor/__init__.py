"""Checks the whole installation and names the fix of everything that is wrong: `manage.py doctor`."""
