"""The product exports of shop systems: one module each, and one line in the registry."""
