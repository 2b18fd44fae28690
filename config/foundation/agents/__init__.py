"""Automated visitors: crawlers, and agents that act for a person."""
