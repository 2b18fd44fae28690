"""Coupon codes: import, generation and claims."""
