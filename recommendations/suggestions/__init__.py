"""Suggestions of what to do next: campaigns, rules and experiments, with their expected and later effects."""
