"""Merchandising rules that override any model: pin, boost, bury, hide and only."""
