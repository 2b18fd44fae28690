"""Erases customers everywhere, keeps them from being created again, and proves it."""
