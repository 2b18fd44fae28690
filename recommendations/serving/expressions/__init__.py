"""Expressions over the attributes of products, with which a request filters and boosts: as text or as a JSON tree."""
