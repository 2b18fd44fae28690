"""Outcomes of the shop (retention, conversion, satisfaction, growth) beside the part that marketing is known to cause."""
