"""Writes simulated shops: lines of events and orders, files by part, and items for a collector."""
