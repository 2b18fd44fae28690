"""Outcomes of the shop (retention, conversion, satisfaction, growth) and the incremental lift of marketing in them."""
