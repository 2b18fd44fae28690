"""Decides what to show and whom to write to."""
