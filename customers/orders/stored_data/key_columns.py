"""Registers the columns with keyed hashes of guests' email addresses."""

from config.foundation.keys.key_columns import register_hashed

register_hashed("orders.Order", "guest_email_hash", is_indexed=False)
register_hashed("orders.OrderEvent", "guest_email_hash", is_indexed=False)
