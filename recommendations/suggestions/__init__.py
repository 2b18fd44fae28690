"""Suggestions of what to do next: campaigns, rules and experiments, with what is expected of them and what came of them."""
