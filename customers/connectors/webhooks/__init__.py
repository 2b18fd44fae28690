"""Receives and processes the webhooks of platforms."""
