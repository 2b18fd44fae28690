"""Simulates a plausible storefront history around real orders, for demos. All of it is marked as simulated."""
