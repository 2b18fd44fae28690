"""Imports of customers from files."""
