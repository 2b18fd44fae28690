"""Keeps upgrades from blocking a running shop: what migrations may do to large tables, and how they wait for locks."""
